//! `tofu put` and `tofu get` in processes of their own; some are killed.

use super::{STREAMED, TOOLS, Worker, streams};
use crate::content::{BLOCK, Content, Slot, Tally};
use crate::ledger::{Kind, Way};
use crate::pace::Pace;
use crate::{Outcome, Stage};
use rand::RngExt;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

pub(super) fn run(stage: &Stage, mut worker: Worker) -> Outcome {
    let mut slot = Slot::new(&worker.name);
    streams::fill(stage, &mut worker, &mut slot)?;
    let mut tools = Tools { stage, worker, slot, bytes: Pace::new(STREAMED * stage.pace) };
    let mut pace = Pace::new(TOOLS * stage.pace);
    while stage.gate.pass() {
        let kill = tools.worker.rng.random();
        if tools.worker.rng.random() {
            tools.put(kill)?
        } else {
            tools.get(kill)?
        }
        pace.next(&mut tools.worker.rng);
    }
    stage.keep(tools.slot);
    Ok(())
}

struct Tools<'a> {
    stage: &'a Stage,
    worker: Worker,
    slot: Slot,
    bytes: Pace,
}

impl Tools<'_> {
    /// Feeds a file to `tofu put`; all of it, or some before it is killed.
    fn put(&mut self, kill: bool) -> Outcome {
        let mut content = Content::any(&mut self.worker.rng);
        let hold_back = if kill { self.worker.rng.random_range(0..=content.len()) } else { 0 };
        let begun = self.stage.ledger.begin(Kind::Put);
        let name = self.slot.name.clone();
        let mut tool =
            Tool::start(self.stage, &["put", &self.worker.address, "/dev/stdin", "--as", &name])?;
        let mut stdin = tool.0.stdin.take().ok_or("a process without stdin")?;
        while content.left() > hold_back {
            let mut block = vec![0; content.next_len(BLOCK)];
            content.fill(&mut block);
            stdin.write_all(&block)?;
            self.bytes.spend(block.len() as u64);
        }
        if kill {
            // Its input stays open, so that it never comes to its end by itself.
            tool.kill()?;
            begun.abort(Way::Killed);
            return Ok(());
        }
        drop(stdin);
        tool.succeed()?;
        begun.finish(content.len(), 0);
        self.slot.stored = Some(content.stored());
        Ok(())
    }

    /// Takes a file from `tofu get`; all of it, or some before it is killed.
    fn get(&mut self, kill: bool) -> Outcome {
        let stored = self.slot.stored.ok_or("nothing is stored yet")?;
        let enough = if kill { self.worker.rng.random_range(0..=stored.len) } else { u64::MAX };
        let begun = self.stage.ledger.begin(Kind::Get);
        let mut tool =
            Tool::start(self.stage, &["get", &self.worker.address, &self.slot.name, "-o", "-"])?;
        let mut stdout = tool.0.stdout.take().ok_or("a process without stdout")?;
        let mut tally = Tally::default();
        let mut block = vec![0; BLOCK];
        while tally.len() < enough {
            match stdout.read(&mut block)? {
                0 => break,
                len => tally.add(&block[..len]),
            }
            self.bytes.spend(BLOCK as u64);
        }
        if kill {
            tool.kill()?;
            begun.abort(Way::Killed);
            return Ok(());
        }
        tool.succeed()?;
        if tally.stored() != stored {
            return Err(format!("{stored:?} comes back as {:?}", tally.stored()).into());
        }
        begun.finish(0, stored.len);
        Ok(())
    }
}

/// A `tofu` process; killed when dropped.
struct Tool(Child);

impl Tool {
    fn start(stage: &Stage, args: &[&str]) -> Outcome<Tool> {
        let mut command = Command::new(&stage.tofu);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Ok(Tool(command.spawn()?))
    }

    fn kill(mut self) -> Outcome {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    fn succeed(mut self) -> Outcome {
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the tool ends with {status}").into()) }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
