//! Every target over its committed corpus.

use std::fs;
use std::path::Path;
use tofu_fuzz::TARGETS;

#[test]
fn every_corpus_keeps_the_promises() {
    for target in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let inputs: Vec<_> = fs::read_dir(&corpus)
            .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
            .map(|entry| entry.expect("the corpus can be read").path())
            .collect();
        assert!(inputs.len() >= 10, "{} inputs for {}", inputs.len(), target.name);
        for input in inputs {
            println!("{}", input.display());
            (target.run)(&fs::read(input).expect("an input can be read"));
        }
    }
}
