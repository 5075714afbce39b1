//! The promises. The main thread does what the application and the peers do while others wait; that all
//! threads end is most of what is checked, for loom finds whoever is left waiting.

use crate::support::*;
use loom::future::block_on;
use loom::thread::JoinHandle;
use std::time::Duration;
use tofu_std::model::break_off;
use tofu_std::{ChannelGroup, Opcode, Received, Status, Stopped};

/// A thread that waits until the engine has stopped.
fn spawn_for_stop(group: &ChannelGroup) -> JoinHandle<Option<Stopped>> {
    let group = group.clone();
    spawn(move || group.wait_receive(None).err())
}

fn assert_update(received: &Received) {
    let status = match received {
        Received::Notice(notice) => notice.status,
        Received::Returned(_, status) => *status,
        Received::Peer(message) => panic!("{message:?}"),
    };
    assert_eq!(status, Status::ReceiverUpdate);
}

#[test]
fn who_leaves_the_poll_with_a_message_hands_over() {
    check(|| {
        let engine = engine(8);
        let links = [Link::new(&engine), Link::new(&engine)];
        go();
        let waiters = links.each_ref().map(|link| spawn_receiver(&link.group));
        for link in &links {
            link.wire.send(&frame(Opcode::Signal));
        }
        for waiter in waiters {
            assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        }
        done();
    });
}

#[test]
fn an_update_wakes_who_polls_and_who_sleeps() {
    check(|| {
        let engine = engine(8);
        let groups = [engine.group().unwrap(), engine.group().unwrap()];
        let message = engine.get();
        go();
        let waiters = groups.each_ref().map(spawn_receiver);
        let [first, second] = waiters;
        groups[1].update_receiver(message).unwrap();
        assert_update(&second.join().unwrap());
        groups[0].update_receiver(None).unwrap();
        assert_update(&first.join().unwrap());
        done();
    });
}

#[test]
fn each_update_wakes_one_of_several_receivers() {
    check(|| {
        let engine = engine(8);
        let (group, other) = (engine.group().unwrap(), engine.group().unwrap());
        // Five threads are too many to begin earlier.
        let waiters = [&other, &group, &group].map(spawn_receiver);
        let_others_fall_asleep();
        go();
        group.update_receiver(None).unwrap();
        group.update_receiver(None).unwrap();
        let [driver, first, second] = waiters;
        assert_update(&first.join().unwrap());
        assert_update(&second.join().unwrap());
        other.update_receiver(None).unwrap();
        assert_update(&driver.join().unwrap());
        done();
    });
}

#[test]
fn posts_are_written_while_another_thread_waits() {
    check(|| {
        let engine = engine(8);
        let (mut link, other) = (Link::new(&engine), engine.group().unwrap());
        go();
        let waiter = spawn_receiver(&other);
        link.post_signals(3);
        link.wire.frames(3);
        other.update_receiver(None).unwrap();
        assert_update(&waiter.join().unwrap());
        done();
    });
}

#[test]
fn posts_are_written_while_nobody_waits() {
    check(|| {
        let engine = engine(8);
        let mut link = Link::new(&engine);
        go();
        link.post_signals(3);
        link.wire.frames(3);
        done();
    });
}

#[test]
fn the_background_thread_reads_while_nobody_waits() {
    check(|| {
        let engine = engine(8);
        let mut link = Link::new(&engine);
        go();
        // A second HelloRequest breaks the protocol, and ends the channel.
        link.wire.send(&frame(Opcode::HelloRequest));
        assert_eq!(link.wire.receive(&mut [0]), 0);
        done();
    });
}

#[test]
fn the_background_thread_takes_over_from_the_last_who_waits() {
    check(|| {
        let engine = engine(8);
        let (mut link, other) = (Link::new(&engine), engine.group().unwrap());
        go();
        let waiter = spawn_receiver(&other);
        other.update_receiver(None).unwrap();
        assert_update(&waiter.join().unwrap());
        link.wire.send(&frame(Opcode::HelloRequest));
        assert_eq!(link.wire.receive(&mut [0]), 0);
        done();
    });
}

#[test]
fn who_waits_for_a_message_gets_the_one_that_comes_back() {
    check(|| {
        let engine = engine(1);
        let held = engine.get();
        let group = engine.group().unwrap();
        go();
        let waiter = spawn_getter(&engine);
        let driver = spawn_receiver(&group);
        drop(held);
        assert!(waiter.join().unwrap());
        group.update_receiver(None).unwrap();
        driver.join().unwrap();
        done();
    });
}

#[test]
fn reading_goes_on_when_a_message_comes_back() {
    check(|| {
        let engine = engine(2);
        let link = Link::new(&engine);
        let held = link.dry_out();
        go();
        let waiter = spawn_receiver(&link.group);
        drop(held);
        assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        done();
    });
}

#[test]
fn a_message_that_comes_back_during_a_turn_is_not_overlooked() {
    check(|| {
        let engine = engine(2);
        let mut link = Link::new(&engine);
        let [held, kept] = link.dry_out();
        let mut unpooled = engine.get_always();
        unpooled.prepare(Opcode::Signal, link.channel);
        go();
        let waiter = spawn_receiver(&link.group);
        let dropping = spawn(move || drop(held));
        link.group.post(unpooled).unwrap();
        assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        link.wire.frames(1);
        dropping.join().unwrap();
        done();
        drop(kept);
    });
}

#[test]
fn who_waits_for_a_message_does_not_miss_one_that_comes_back_during_a_turn() {
    check(|| {
        let engine = engine(2);
        let mut link = Link::new(&engine);
        let held = engine.get();
        let mut unpooled = engine.get_always();
        unpooled.prepare(Opcode::Signal, link.channel);
        go();
        let waiter = spawn_getter(&engine);
        let dropping = spawn(move || drop(held));
        link.group.post(unpooled).unwrap();
        assert!(waiter.join().unwrap());
        link.wire.frames(1);
        dropping.join().unwrap();
        done();
    });
}

#[test]
fn a_post_that_waits_for_room_is_woken_when_the_peer_reads() {
    check_with(1, || {
        let engine = engine(4);
        let (mut link, other) = (Link::new(&engine), engine.group().unwrap());
        let refused = link.fill();
        go();
        let group = link.group.clone();
        let waiter = spawn(move || group.post_wait(refused, None).is_ok());
        let driver = spawn_receiver(&other);
        link.wire.full_frames(2);
        assert!(waiter.join().unwrap());
        other.update_receiver(None).unwrap();
        assert_update(&driver.join().unwrap());
        done();
    });
}

#[test]
fn an_engine_talks_to_itself() {
    check(|| {
        let engine = engine(8);
        let (here, there) = (engine.group().unwrap(), engine.group().unwrap());
        let channel = connect(&here, &there);
        go();
        let waiter = spawn_receiver(&there);
        here.post(signal(&engine, channel)).unwrap();
        assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        done();
    });
}

#[test]
fn two_engines_talk() {
    check_with(1, || {
        let engines = [engine(8), engine(8)];
        let [here, there] = engines.each_ref().map(|engine| engine.group().unwrap());
        let channel = connect(&here, &there);
        go();
        let waiter = spawn_receiver(&there);
        here.post(signal(&engines[0], channel)).unwrap();
        let Received::Peer(mut message) = waiter.join().unwrap() else { panic!("no Signal") };
        message.prepare(Opcode::Signal, message.channel());
        there.post(message).unwrap();
        assert!(matches!(receive(&here), Received::Peer(_)));
        done();
    });
}

#[test]
fn who_only_looks_takes_no_wake_up_from_who_waits() {
    check(|| {
        let engine = engine(8);
        let (mut link, other) = (Link::new(&engine), Link::new(&engine));
        go();
        let waiter = spawn_receiver(&other.group);
        link.post_signals(2);
        other.wire.send(&frame(Opcode::Signal));
        // Writes what was put off, and takes the events there are.
        assert!(link.group.try_receive().unwrap().is_none());
        assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        link.wire.frames(2);
        done();
    });
}

#[test]
fn who_gives_up_hands_over() {
    check(|| {
        let engine = engine(8);
        let (link, other) = (Link::new(&engine), engine.group().unwrap());
        go();
        let waiter = spawn_receiver(&link.group);
        link.wire.send(&frame(Opcode::Signal));
        assert!(other.wait_receive(Duration::ZERO).unwrap().is_none());
        assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        done();
    });
}

#[test]
fn who_looks_in_and_then_waits_misses_nothing() {
    check(|| {
        let engine = engine(8);
        let mut link = Link::new(&engine);
        go();
        link.wire.send(&frame(Opcode::Signal));
        let looked = link.group.try_receive().unwrap();
        let received = looked.unwrap_or_else(|| receive(&link.group));
        assert!(matches!(received, Received::Peer(_)));
        link.post_signals(1);
        // Nobody waits any more: the background thread writes it.
        link.wire.frames(1);
        done();
    });
}

#[test]
fn a_task_is_woken_while_nobody_waits() {
    check(|| {
        let engine = engine(8);
        let mut link = Link::new(&engine);
        go();
        let task = spawn_task(&link.group);
        link.wire.send(&frame(Opcode::Signal));
        assert!(matches!(task.join().unwrap(), Received::Peer(_)));
        // It has gone, and what is posted is written nevertheless.
        link.post_signals(3);
        link.wire.frames(3);
        done();
    });
}

#[test]
fn a_task_is_woken_while_another_thread_comes_and_goes() {
    check(|| {
        let engine = engine(8);
        let (link, other) = (Link::new(&engine), engine.group().unwrap());
        go();
        let (task, waiter) = (spawn_task(&link.group), spawn_receiver(&other));
        other.update_receiver(None).unwrap();
        assert_update(&waiter.join().unwrap());
        link.wire.send(&frame(Opcode::Signal));
        assert!(matches!(task.join().unwrap(), Received::Peer(_)));
        done();
    });
}

#[test]
fn a_task_is_woken_while_another_thread_looks_in() {
    check(|| {
        let engine = engine(8);
        let (link, other) = (Link::new(&engine), engine.group().unwrap());
        go();
        let task = spawn_task(&link.group);
        link.wire.send(&frame(Opcode::Signal));
        assert!(other.try_receive().unwrap().is_none());
        assert!(matches!(task.join().unwrap(), Received::Peer(_)));
        done();
    });
}

#[test]
fn each_of_several_tasks_is_woken() {
    check(|| {
        let engine = engine(8);
        let groups = [engine.group().unwrap(), engine.group().unwrap()];
        go();
        let tasks = groups.each_ref().map(spawn_task);
        for (group, task) in groups.iter().zip(tasks) {
            group.update_receiver(None).unwrap();
            assert_update(&task.join().unwrap());
        }
        done();
    });
}

#[test]
fn tasks_of_one_group_share_what_it_receives() {
    check(|| {
        let engine = engine(8);
        let group = engine.group().unwrap();
        go();
        let tasks = [&group, &group].map(spawn_task);
        group.update_receiver(None).unwrap();
        group.update_receiver(None).unwrap();
        for task in tasks {
            assert_update(&task.join().unwrap());
        }
        done();
    });
}

#[test]
fn a_task_that_waits_for_a_message_gets_the_one_that_comes_back() {
    check(|| {
        let engine = engine(1);
        let held = engine.get();
        go();
        let task = {
            let engine = engine.clone();
            spawn(move || block_on(engine.get_async()).is_some())
        };
        drop(held);
        assert!(task.join().unwrap());
        done();
    });
}

#[test]
fn a_task_that_waits_for_room_is_woken_when_the_peer_reads() {
    check(|| {
        let engine = engine(4);
        let mut link = Link::new(&engine);
        let refused = link.fill();
        go();
        let group = link.group.clone();
        let task = spawn(move || block_on(group.post_async(refused)).is_ok());
        link.wire.full_frames(2);
        assert!(task.join().unwrap());
        done();
    });
}

#[test]
fn stopping_lets_tasks_return() {
    check(|| {
        let engine = engine(1);
        let (held, group) = (engine.get(), engine.group().unwrap());
        go();
        let receiver = {
            let group = group.clone();
            spawn(move || block_on(group.receive_async()).err())
        };
        let getter = {
            let engine = engine.clone();
            spawn(move || block_on(engine.get_async()).is_none())
        };
        engine.stop();
        assert_eq!(receiver.join().unwrap(), Some(Stopped));
        assert!(getter.join().unwrap());
        done();
        drop(held);
    });
}

#[test]
fn stopping_lets_who_polls_and_who_sleeps_return() {
    check(|| {
        let engine = engine(8);
        let groups = [engine.group().unwrap(), engine.group().unwrap()];
        go();
        let waiters = groups.each_ref().map(spawn_for_stop);
        engine.stop();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Some(Stopped));
        }
        done();
    });
}

#[test]
fn stopping_ends_posts_that_are_put_off() {
    check(|| {
        let engine = engine(8);
        let link = Link::new(&engine);
        let messages: Vec<_> = (0..3).map(|_| link.signal()).collect();
        go();
        let group = link.group.clone();
        let posting = spawn(move || {
            // Refused once it has stopped.
            messages.into_iter().map_while(|it| group.post(it).ok()).count()
        });
        engine.stop();
        let posted = posting.join().unwrap();
        done();
        let (mut returned, mut last) = (0, None);
        while let Ok(Some(received)) = link.group.wait_receive(None) {
            returned += usize::from(matches!(received, Received::Returned(..)));
            last = Some(received);
        }
        assert!(returned <= posted);
        let Some(Received::Notice(notice)) = last else { panic!("no last word") };
        assert_eq!(notice.status, Status::ChannelClosed);
    });
}

#[test]
fn stopping_ends_a_wait_for_a_message() {
    check(|| {
        let engine = engine(1);
        let (held, group) = (engine.get(), engine.group().unwrap());
        go();
        let (getter, receiver) = (spawn_getter(&engine), spawn_for_stop(&group));
        engine.stop();
        assert!(!getter.join().unwrap());
        assert_eq!(receiver.join().unwrap(), Some(Stopped));
        done();
        drop(held);
    });
}

#[test]
fn stopping_ends_a_wait_for_room() {
    check(|| {
        let engine = engine(4);
        let link = Link::new(&engine);
        let refused = link.fill();
        go();
        let group = link.group.clone();
        let waiter = spawn(move || group.post_wait(refused, None).map_err(|error| error.status));
        engine.stop();
        assert_eq!(waiter.join().unwrap(), Err(Status::ShutdownStarted));
        done();
    });
}

#[test]
fn what_was_posted_is_sent_after_the_last_handle_is_gone() {
    check(|| {
        let engine = engine(8);
        let link = Link::new(&engine);
        go();
        link.post_signals(3);
        drop(engine);
        let mut wire = link.release();
        wire.frames(3);
        assert_eq!(wire.receive(&mut [0]), 0);
    });
}

#[test]
fn an_engine_without_channels_ends_with_its_last_handle() {
    check(|| {
        let engine = engine(8);
        go();
        drop(engine);
    });
}

#[test]
fn a_panic_under_the_lock_lets_everybody_return() {
    check(|| {
        let engine = engine(8);
        let groups = [engine.group().unwrap(), engine.group().unwrap()];
        go();
        let waiters = groups.each_ref().map(spawn_for_stop);
        break_off(&engine);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Some(Stopped));
        }
        done();
    });
}

#[test]
fn a_message_that_comes_back_is_not_forgotten_for_who_is_refused() {
    check(|| {
        let engine = engine(2);
        let mut link = Link::new(&engine);
        let [held, kept] = link.dry_out();
        let mut unpooled = engine.get_always();
        unpooled.prepare(Opcode::Signal, link.channel);
        go();
        let waiter = spawn_receiver(&link.group);
        let dropping = {
            let engine = engine.clone();
            spawn(move || {
                drop(held);
                // The last is kept for receiving.
                let _ = engine.get();
            })
        };
        link.group.post(unpooled).unwrap();
        assert!(matches!(waiter.join().unwrap(), Received::Peer(_)));
        link.wire.frames(1);
        dropping.join().unwrap();
        done();
        drop(kept);
    });
}
