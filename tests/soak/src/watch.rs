//! The run from start to end, and a look at everything each second.

use crate::connection::Connection;
use crate::content::Tally;
use crate::gate;
use crate::ledger::{Counts, Kind};
use crate::load::{self, LASTING};
use crate::samples::{Quiet, Run, Sample};
use crate::server::{Facts, Server};
use crate::{Args, Outcome, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use procfs::process::Process;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1024;
/// Quiet points are so far apart: a tenth of the time, but no farther.
const QUIET_EVERY: Duration = Duration::from_secs(60);
/// Connected while a signal ends the server.
const LAST_CLIENTS: usize = 4;

/// Everything one run needs.
struct Watch<'a> {
    stage: &'a Stage,
    server: &'a Server,
    root: &'a Path,
    begin: Instant,
    process: Process,
    /// The server's file descriptors before anybody connected.
    first_fds: u64,
    /// The free messages of the clients before anybody connected.
    first_free: usize,
    run: Run,
    bar: ProgressBar,
}

/// Runs a server and the load on it, until the time is up or it is told to stop.
pub(crate) fn run(tofu: PathBuf, time: Duration, args: &Args, stop: &AtomicBool) -> Outcome<Run> {
    let dir = TempDir::new()?;
    let (root, socket) = (dir.path().join("root"), dir.path().join("socket"));
    fs::create_dir(&root)?;
    let server = Server::start(&tofu, &root, &socket)?;
    let stage = Stage::new(tofu, server.addresses.clone(), args.pace)?;
    let mut watch = Watch {
        stage: &stage,
        server: &server,
        root: &root,
        begin: Instant::now(),
        process: Process::myself()?,
        first_fds: server.facts()?.fds,
        first_free: stage.engine.free_messages(),
        run: Run::default(),
        bar: progress_bar(time)?,
    };
    load::fill_pool(&stage, &root)?;
    watch.look_quietly(0)?;
    watch.begin = Instant::now();
    let watched = thread::scope(|scope| {
        load::start(scope, &stage, args.seed);
        let watched = watch.watch(time, stop);
        stage.gate.end();
        watched
    });
    let gone = watch.look_quietly(0);
    watch.bar.finish_and_clear();
    let mut run = watch.run;
    run.counts = stage.ledger.counts();
    let files = check_files(&stage, &root);
    let ended = end_servers(&stage, server, &root, &socket, &mut run);
    for error in [watched, gone, files, ended].into_iter().filter_map(Outcome::err) {
        stage.ledger.accuse("in the end", error);
    }
    run.broken = stage.ledger.broken();
    Ok(run)
}

impl Watch<'_> {
    /// Until the time is up, a promise is broken, or it is told to stop.
    fn watch(&mut self, time: Duration, stop: &AtomicBool) -> Outcome {
        let quiet_every = QUIET_EVERY.min(time / 6);
        let mut next_quiet = self.begin + quiet_every;
        let mut next = self.begin + SECOND;
        let is_over = || stop.load(Ordering::Relaxed) || !self.stage.ledger.broken().is_empty();
        while self.begin.elapsed() < time && !is_over() {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += SECOND;
            self.look()?;
            if Instant::now() >= next_quiet {
                next_quiet += quiet_every;
                self.stage.gate.close()?;
                self.look_quietly(LASTING)?;
                self.stage.gate.open();
                if self.bar.is_hidden() {
                    eprintln!("{}", self.line());
                }
                next = next.max(Instant::now());
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Outcome {
        let ledger = &self.stage.ledger;
        let sample = Sample {
            at: self.begin.elapsed().as_secs_f64(),
            server: self.server.facts()?,
            own: Facts::of(&self.process)?,
            counts: ledger.counts(),
            calls: ledger.round_trips().take(),
            control: ledger.control().take(),
        };
        for complaint in self.server.complaints() {
            ledger.accuse("server", complaint);
        }
        self.run.samples.push(sample);
        self.bar.set_position(sample.at as u64);
        self.bar.set_message(self.line());
        Ok(())
    }

    /// Where it stands, on one line.
    fn line(&self) -> String {
        let [.., before, Sample { at, server, counts, calls, .. }] = &self.run.samples[..] else {
            return String::new();
        };
        let bytes = |counts: &Counts| counts.bytes_up + counts.bytes_down;
        format!(
            "{at:.0} s: {} KiB, {} fds, p99 {:.0} µs, {} messages/s, {} KiB/s, {} calls, {} files, {} aborts",
            server.rss / KIB,
            server.fds,
            calls.map_or(0.0, |calls| calls.p99),
            counts.messages - before.counts.messages,
            (bytes(counts) - bytes(&before.counts)) / KIB,
            counts.finished[Kind::Call as usize],
            counts.finished[Kind::Put as usize] + counts.finished[Kind::Get as usize],
            counts.aborted.iter().sum::<u64>(),
        )
    }

    /// Waits until the server has noticed who is gone, and looks what is left.
    fn look_quietly(&mut self, connections: usize) -> Outcome {
        let mut quiet = self.quiet(connections)?;
        let is_clean = gate::eventually(|| {
            quiet = self.quiet(connections)?;
            Ok(quiet.is_clean())
        })?;
        self.run.quiets.push(quiet);
        if is_clean { Ok(()) } else { Err(format!("something is left: {quiet:?}").into()) }
    }

    fn quiet(&self, connections: usize) -> Outcome<Quiet> {
        let facts = self.server.facts()?;
        Ok(Quiet {
            at: self.begin.elapsed().as_secs_f64(),
            fds: facts.fds,
            expected_fds: self.first_fds + connections as u64,
            threads: facts.threads,
            rss: facts.rss,
            leftovers: leftovers(self.root)?,
            missing: self.first_free.abs_diff(self.stage.engine.free_messages()),
        })
    }
}

fn progress_bar(time: Duration) -> Outcome<ProgressBar> {
    let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}")?;
    Ok(ProgressBar::new(time.as_secs()).with_style(style))
}

/// How many files the server has that nobody put.
fn leftovers(root: &Path) -> Outcome<usize> {
    let mut count = 0;
    for entry in fs::read_dir(root)? {
        count += usize::from(entry?.file_name().as_encoded_bytes().starts_with(b"."));
    }
    Ok(count)
}

/// Ends the server, with nobody connected; then another one on the same files, with clients.
fn end_servers(
    stage: &Stage,
    mut server: Server,
    root: &Path,
    socket: &Path,
    run: &mut Run,
) -> Outcome {
    run.ends.push(server.end(Signal::TERM)?.as_secs_f64());
    let mut server = Server::start(&stage.tofu, root, socket)?;
    let open = |_| Connection::open(stage, &server.addresses[0]);
    let clients = (0..LAST_CLIENTS).map(open).collect::<Outcome<Vec<_>>>()?;
    thread::scope(|scope| {
        let dismissed = clients.into_iter().map(|client| scope.spawn(|| client.be_dismissed()));
        let dismissed: Vec<_> = dismissed.collect();
        run.ends.push(server.end(Signal::INT)?.as_secs_f64());
        dismissed.into_iter().try_for_each(|client| client.join().map_err(|_| "a panic")?)
    })?;
    if socket.exists() { Err("the Unix socket's path is left".into()) } else { Ok(()) }
}

/// Each worker's file is there as it should be, and no other.
fn check_files(stage: &Stage, root: &Path) -> Outcome {
    let slots = stage.slots.lock().unwrap_or_else(PoisonError::into_inner);
    for slot in slots.iter() {
        let mut tally = Tally::default();
        tally.add(&fs::read(root.join(&slot.name))?);
        if Some(tally.stored()) != slot.stored {
            return Err(format!("{} is not on the disk as it was put last", slot.name).into());
        }
    }
    match fs::read_dir(root)?.count() {
        files if files == slots.len() => Ok(()),
        files => Err(format!("{files} files are on the disk instead of {}", slots.len()).into()),
    }
}
