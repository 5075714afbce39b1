//! An idle engine costs nothing. Alone in its process, whose CPU time it measures.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;
use support::*;
use tofu_std::Engine;

/// CPU time of this process in clock ticks.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime are fields 14 and 15 of proc(5); two stand before the bracket.
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn idle_engines_use_no_cpu() {
    let server_group = Engine::new().unwrap().group().unwrap();
    let (_, address) = listen(&server_group, "tcp|127.0.0.1|0");
    let group = Engine::new().unwrap().group().unwrap();
    pair(&group, &server_group, &address);
    // A second thread waits on each engine; it sleeps while the first polls.
    let others = [&server_group, &group].map(|group| group.engine().group().unwrap());
    for other in others {
        std::thread::spawn(move || other.wait_receive(None));
    }
    let server_waits = server_group.clone();
    std::thread::spawn(move || server_waits.wait_receive(None));
    assert!(group.wait_receive(Duration::from_millis(500)).unwrap().is_none());
    let before = cpu_ticks();
    assert!(group.wait_receive(Duration::from_secs(2)).unwrap().is_none());
    assert!(cpu_ticks() - before <= 2, "an idle engine used the CPU");
}
