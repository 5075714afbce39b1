//! Files up and down; some are broken off.

use super::{STREAMED, Worker};
use crate::connection::Connection;
use crate::content::{BLOCK, Content, Slot, Stored, Tally};
use crate::ledger::{Kind, Way};
use crate::pace::Pace;
use crate::{Outcome, Stage};
use rand::RngExt;
use rand::rngs::SmallRng;
use tofu_std::{Message, TextHeader};

/// The shortest block; most are as long as those of the `tofu` tool.
const SHORT_BLOCK: usize = 1024;

pub(super) fn run(stage: &Stage, worker: Worker) -> Outcome {
    let mut slot = Slot::new(&worker.name);
    let pace = Pace::new(STREAMED * stage.pace);
    let mut streamer = Streamer { stage, rng: worker.rng, pace };
    let mut connection = None;
    while stage.gate.pass() {
        let open = match connection.take() {
            Some(open) => open,
            None => Connection::open(stage, &worker.address)?,
        };
        connection = streamer.step(open, &mut slot)?;
        if (streamer.rng.random_ratio(1, 8) || stage.gate.is_closing())
            && let Some(open) = connection.take()
        {
            open.close()?;
        }
    }
    stage.keep(slot);
    Ok(())
}

/// One worker: one file at a time.
struct Streamer<'a> {
    stage: &'a Stage,
    rng: SmallRng,
    pace: Pace,
}

impl<'a> Streamer<'a> {
    /// Moves a file, or a part of one. The connection, if there still is one.
    fn step(
        &mut self,
        connection: Connection<'a>,
        slot: &mut Slot,
    ) -> Outcome<Option<Connection<'a>>> {
        let abort = self.rng.random_ratio(1, 5);
        match slot.stored {
            Some(stored) if self.rng.random() => match abort {
                true => self.break_get(connection, slot, stored).map(|()| None),
                false => self.get(&connection, slot, stored).map(|()| Some(connection)),
            },
            Some(_) if abort => self.break_put(connection, slot).map(|()| None),
            _ => self.put(&connection, slot).map(|()| Some(connection)),
        }
    }

    fn put(&mut self, connection: &Connection<'_>, slot: &mut Slot) -> Outcome {
        let mut content = Content::any(&mut self.rng);
        let begun = self.stage.ledger.begin(Kind::Put);
        let id = self.send(connection, &slot.name, &mut content, 0)?;
        let stored = content.stored();
        let mut last = connection.request(0)?;
        last.set_id(id);
        last.add_header("checksum", stored.checksum.to_hex().as_str())?;
        connection.post(last)?;
        let response = connection.response()?;
        if response.id() != id || told(&response) != Some(stored) {
            return Err(format!(
                "a put of {} bytes is answered by {}",
                stored.len,
                head(&response)
            )
            .into());
        }
        begun.finish(stored.len, 0);
        slot.stored = Some(stored);
        Ok(())
    }

    /// Sends the head of a put and blocks, all but as many bytes as are to be held back.
    fn send(
        &mut self,
        connection: &Connection<'_>,
        name: &str,
        content: &mut Content,
        hold_back: u64,
    ) -> Outcome<u64> {
        let block = self.block_len();
        let mut request = connection.request(0)?;
        request.set_more(true);
        request.add_header("put", name)?;
        request.add_header_display("size", content.len())?;
        let id = connection.post(request)?;
        while content.left() > hold_back {
            let mut request = connection.request(content.next_len(block))?;
            request.set_id(id);
            request.set_more(true);
            content.fill(request.body_mut());
            self.pace.spend(request.body().len() as u64);
            connection.post(request)?;
        }
        Ok(id)
    }

    fn break_put(&mut self, connection: Connection<'_>, slot: &Slot) -> Outcome {
        let mut content = Content::any(&mut self.rng);
        let hold_back = self.rng.random_range(0..=content.len());
        let begun = self.stage.ledger.begin(Kind::Put);
        self.send(&connection, &slot.name, &mut content, hold_back)?;
        let way = self.break_off(connection)?;
        begun.abort(way);
        Ok(())
    }

    fn get(&mut self, connection: &Connection<'_>, slot: &Slot, stored: Stored) -> Outcome {
        let begun = self.stage.ledger.begin(Kind::Get);
        let id = ask(connection, &slot.name)?;
        let mut tally = Tally::default();
        loop {
            let response = connection.response()?;
            self.take(&response, id, &mut tally)?;
            if !response.more() {
                let checksum = stored.checksum.to_hex();
                let right = response.text().get_str("checksum") == Some(&checksum);
                if !right || tally.stored() != stored {
                    let what = head(&response);
                    return Err(
                        format!("{stored:?} comes back as {:?}, {what}", tally.stored()).into()
                    );
                }
                begun.finish(0, stored.len);
                return Ok(());
            }
        }
    }

    fn break_get(&mut self, connection: Connection<'_>, slot: &Slot, stored: Stored) -> Outcome {
        let enough = self.rng.random_range(0..=stored.len);
        let begun = self.stage.ledger.begin(Kind::Get);
        let id = ask(&connection, &slot.name)?;
        let mut tally = Tally::default();
        while tally.len() < enough {
            let response = connection.response()?;
            self.take(&response, id, &mut tally)?;
        }
        let way = self.break_off(connection)?;
        begun.abort(way);
        Ok(())
    }

    fn take(&mut self, response: &Message, id: u64, tally: &mut Tally) -> Outcome {
        if response.id() != id || response.text().get("error").is_some() {
            return Err(format!("a get is answered by {}", head(response)).into());
        }
        tally.add(response.body());
        self.pace.spend(response.body().len() as u64);
        Ok(())
    }

    fn break_off(&mut self, connection: Connection<'_>) -> Outcome<Way> {
        match self.rng.random_range(0..3) {
            0 => connection.break_off().map(|()| Way::Signal),
            1 => connection.close().map(|()| Way::Goodbye),
            _ => {
                drop(connection);
                Ok(Way::Dropped)
            }
        }
    }

    fn block_len(&mut self) -> usize {
        match self.rng.random_range(0..4) {
            0 => self.rng.random_range(SHORT_BLOCK..=BLOCK),
            _ => BLOCK,
        }
    }
}

/// Stores a first file in a slot, so that there is one to get.
pub(super) fn fill(stage: &Stage, worker: &mut Worker, slot: &mut Slot) -> Outcome {
    let rng = rand::SeedableRng::seed_from_u64(worker.rng.random());
    let mut streamer = Streamer { stage, rng, pace: Pace::new(STREAMED * stage.pace) };
    let connection = Connection::open(stage, &worker.address)?;
    streamer.put(&connection, slot)?;
    connection.close()
}

fn ask(connection: &Connection<'_>, name: &str) -> Outcome<u64> {
    let mut request = connection.request(0)?;
    request.add_header("get", name)?;
    connection.post(request)
}

/// What a server says it has stored.
fn told(response: &Message) -> Option<Stored> {
    let text = response.text();
    let checksum = text.get_str("checksum")?.parse().ok()?;
    Some(Stored { checksum, len: text.get_str("size")?.parse().ok()? })
}

/// The text headers of a message, on one line.
fn head(message: &Message) -> String {
    let lines = message.text().iter().map(|TextHeader { name, value }| {
        let [name, value] = [name, value].map(String::from_utf8_lossy);
        format!("`{name}: {value}`")
    });
    lines.collect::<Vec<_>>().join(", ")
}
