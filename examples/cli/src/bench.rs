//! `tofu bench`: how fast a server answers, and how much it takes.

use crate::client::{self, Client};
use crate::failure::{Failure, Result};
use crate::output;
use crate::seconds::Patience;
use std::time::{Duration, Instant};
use tofu_std::{Engine, Opcode, Status};

/// Round trips before the measured ones.
const WARM_UP: u64 = 100;

const AFTER_HELP: &str = "\
The server is a `tofu serve`. Modes:
  rtt     one Request at a time: p50, p99 and mean of the round trip
  stream  Signals one after the other, the last one answered: messages and MB
          (10^6 bytes of body) a second

Examples:
  tofu bench 'tcp|localhost|7099' --mode rtt --size 64 --count 10000
  tofu bench 'uds|/tmp/s' --mode stream --size 65535 --count 20000 --json";

/// Measure round trips or throughput against a server
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Where the server listens
    address: String,
    /// What to measure
    #[arg(long, value_enum)]
    mode: Mode,
    /// Bytes of each message's body, at most 65535
    #[arg(long, value_name = "N")]
    size: u16,
    /// How many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    count: u64,
    /// Write one JSON object on one line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Mode {
    /// Round trips, one at a time
    Rtt,
    /// Signals, as many as go through
    Stream,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Rtt => "rtt",
            Mode::Stream => "stream",
        }
    }
}

/// What was measured.
struct Figures {
    elapsed: Duration,
    latency: Option<Latency>,
}

/// In nanoseconds.
struct Latency {
    p50: u64,
    p99: u64,
    mean: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result {
    let engine = client::engine()?;
    let client = Client::connect(&engine, &args.address, args.patience.deadline())?;
    let figures = match args.mode {
        Mode::Rtt => measure_round_trips(&engine, &client, args)?,
        Mode::Stream => measure_stream(&engine, &client, args)?,
    };
    client.close();
    output::line(&if args.json { figures.json(args) } else { figures.text(args) })
}

fn measure_round_trips(engine: &Engine, client: &Client, args: &Args) -> Result<Figures> {
    let mut message = client::message(engine)?;
    message.resize_body(args.size.into())?;
    let mut latencies = Vec::new();
    let mut start = Instant::now();
    for round in 0..args.count + WARM_UP.min(args.count) {
        if round == WARM_UP.min(args.count) {
            start = Instant::now();
            latencies.clear();
        }
        let sent = Instant::now();
        message.prepare(Opcode::Request, client.channel());
        let id = client.post(message, args.patience.time)?.id;
        // The answer is the next request, so that no copy is measured.
        message = client.response(id, args.patience.deadline())?;
        latencies.push(nanoseconds(sent.elapsed()));
        if message.body().len() != usize::from(args.size) {
            return Err(Failure::new(Status::InvalidMessage, "the server does not echo"));
        }
    }
    let elapsed = start.elapsed();
    Ok(Figures { elapsed, latency: Some(Latency::of(latencies)) })
}

fn measure_stream(engine: &Engine, client: &Client, args: &Args) -> Result<Figures> {
    let start = Instant::now();
    let mut id = 0;
    for left in (0..args.count).rev() {
        let mut message = client::message(engine)?;
        message.resize_body(args.size.into())?;
        message.set_opcode(Opcode::Signal);
        message.set_id(id);
        message.set_more(left > 0);
        id = client.post(message, args.patience.time)?.id;
    }
    client.response(id, args.patience.deadline())?;
    Ok(Figures { elapsed: start.elapsed(), latency: None })
}

impl Latency {
    /// `all` is not empty.
    fn of(mut all: Vec<u64>) -> Latency {
        all.sort_unstable();
        let rank = |percent: usize| all[(all.len() * percent).div_ceil(100).max(1) - 1];
        let sum: u128 = all.iter().map(|&each| u128::from(each)).sum();
        let mean = u64::try_from(sum / all.len().max(1) as u128).unwrap_or(u64::MAX);
        Latency { p50: rank(50), p99: rank(99), mean }
    }
}

impl Figures {
    fn messages_per_second(&self, args: &Args) -> f64 {
        args.count as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn megabytes_per_second(&self, args: &Args) -> f64 {
        self.messages_per_second(args) * f64::from(args.size) / 1e6
    }

    fn json(&self, args: &Args) -> String {
        let latency = |pick: fn(&Latency) -> u64| match &self.latency {
            Some(latency) => pick(latency).to_string(),
            None => "null".into(),
        };
        format!(
            "{{\"mode\":\"{}\",\"size\":{},\"count\":{},\"p50_ns\":{},\"p99_ns\":{},\"mean_ns\":{},\
             \"msgs_per_s\":{:.1},\"mb_per_s\":{:.3}}}",
            args.mode.name(),
            args.size,
            args.count,
            latency(|latency| latency.p50),
            latency(|latency| latency.p99),
            latency(|latency| latency.mean),
            self.messages_per_second(args),
            self.megabytes_per_second(args),
        )
    }

    fn text(&self, args: &Args) -> String {
        let mode = args.mode.name();
        let speed = format!(
            "{:.0} messages/s, {:.1} MB/s",
            self.messages_per_second(args),
            self.megabytes_per_second(args)
        );
        let latency = self.latency.as_ref().map(|Latency { p50, p99, mean }| {
            format!("p50 {p50} ns, p99 {p99} ns, mean {mean} ns, ")
        });
        let latency = latency.unwrap_or_default();
        format!("{mode}: {} x {} bytes: {latency}{speed}", args.count, args.size)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        let latency = Latency::of((1..=200).rev().collect());
        assert_eq!((latency.p50, latency.p99, latency.mean), (100, 198, 100));
        let latency = Latency::of(vec![7]);
        assert_eq!((latency.p50, latency.p99, latency.mean), (7, 7, 7));
    }
}
