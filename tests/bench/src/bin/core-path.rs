//! Sends messages through the engine alone, for tools that count instructions: `core-path COUNT BATCH`. A
//! program of its own, so that a compiler's choices depend on nothing else.

use tofu_bench::{CorePath, Outcome};

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, batch] = arguments.as_slice() else {
        return Err("usage: core-path COUNT BATCH".into());
    };
    CorePath::over_wire()?.run(count.parse()?, batch.parse()?)
}
