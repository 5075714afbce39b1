//! On a host, where the C library brings the entry point: links without it.

use std::env;

fn main() {
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-link-arg-bins=-nostartfiles");
        // `memcpy` and the like.
        println!("cargo::rustc-link-arg-bins=-lc");
    }
}
