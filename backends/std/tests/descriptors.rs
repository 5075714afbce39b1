//! More connections than 1,024 file descriptors. Alone in its process, whose descriptors it counts.
#![cfg(target_os = "linux")]

mod support;

use support::*;
use tofu_std::Engine;

/// Both ends of a connection are in this process and take a descriptor each: far more than 1,024,
/// where `select` ends and many a system's usual limit is.
const CONNECTIONS: usize = 1_500;
const DESCRIPTORS: usize = 2 * CONNECTIONS;
/// For the test's own, the engines' and the listener.
const OTHERS: usize = 100;
/// Opened at once; fewer than wait to be accepted anywhere.
const BATCH: usize = 100;

#[test]
fn three_thousand_descriptors_are_used_and_given_back() {
    let limit = (DESCRIPTORS + OTHERS) as u64;
    let raised = rlimit::increase_nofile_limit(limit).unwrap();
    assert!(
        raised >= limit,
        "this system allows {raised} file descriptors, and {limit} are needed"
    );
    let (server_engine, client_engine) = (engine_for_many(), Engine::new().unwrap());
    let (server, client) = (server_engine.group().unwrap(), client_engine.group().unwrap());
    let (_, address) = listen(&server, "tcp|127.0.0.1|0");
    let before = open_files();

    let batches = 0..CONNECTIONS / BATCH;
    let pairs: Vec<_> =
        batches.flat_map(|_| pairs_at_once(&client, &server, &address, BATCH)).collect();
    assert_eq!(open_files(), before + DESCRIPTORS);
    pairs.iter().for_each(|&pair| assert_answers(&client, &server, pair));
    pairs.iter().for_each(|&pair| say_goodbye(&client, &server, pair));

    assert_eq!((server_engine.channels(), client_engine.channels()), (1, 0));
    // A socket may stay a little to see its last bytes delivered.
    eventually("all descriptors are closed", || open_files() == before);
}
