//! An idle engine costs nothing. Alone in its process, whose CPU time it measures.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;
use support::*;
use tofu_std::Engine;

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
    let cpu = CpuTime::open();
    let before = cpu.ticks();
    assert!(group.wait_receive(Duration::from_secs(2)).unwrap().is_none());
    assert!(cpu.ticks() - before <= 2, "an idle engine used the CPU");
}
