//! How a mode is run: in rounds, one contender after the other, under the eye of a watchdog.

use crate::Outcome;
use crate::contenders::{Client, Contender, Pattern, client};
use crate::control::Peer;
use crate::row::Row;
use crate::setting::{Cores, Placement, Setting, Transport, stay_on};
use crate::watchdog::Watchdog;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The most that one measurement may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What a run is asked for.
pub(crate) struct Plan {
    /// Who takes part.
    pub(crate) contenders: Vec<Contender>,
    pub(crate) rounds: usize,
    /// How long one measurement goes on.
    pub(crate) time: Duration,
    /// Correctness only: as little as possible of everything.
    pub(crate) smoke: bool,
}

/// A run, and what it has found so far.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    rows: Vec<Row>,
    watchdog: Watchdog,
    progress: ProgressBar,
    cores: Cores,
    scratch: TempDir,
    /// Unix sockets so far.
    sockets: AtomicU32,
}

impl Bench {
    pub(crate) fn new(plan: Plan) -> Outcome<Bench> {
        let style = ProgressStyle::with_template("{elapsed} {msg}")?;
        let progress = ProgressBar::no_length().with_style(style);
        Ok(Bench {
            plan,
            rows: Vec::new(),
            watchdog: Watchdog::start(),
            progress,
            cores: Cores::find(),
            scratch: TempDir::new()?,
            sockets: AtomicU32::new(0),
        })
    }

    /// Measures each contender once a round: A B A B. What each of them came to, in its rounds. Each
    /// measurement has its own thread, which may be kept on a core.
    pub(crate) fn interleave<T: Send>(
        &self,
        what: &str,
        contenders: &[Contender],
        measure: impl Fn(Contender) -> Outcome<T> + Sync,
    ) -> Outcome<Vec<(Contender, Vec<T>)>> {
        let takes_part = |contender: &&Contender| self.plan.contenders.contains(contender);
        let contenders = contenders.iter().filter(takes_part);
        let mut all: Vec<_> = contenders.map(|&contender| (contender, vec![])).collect();
        for round in 1..=self.plan.rounds {
            for (contender, values) in &mut all {
                let what = format!("{what}, {contender}, round {round}");
                self.progress.set_message(what.clone());
                let outcome = self.watchdog.guard(&what, LIMIT, || {
                    thread::scope(|scope| scope.spawn(|| measure(*contender)).join())
                });
                let outcome = outcome.unwrap_or_else(|_| Err("it panicked".into()));
                values.push(outcome.map_err(|error| format!("{what}: {error}"))?);
            }
        }
        Ok(all)
    }

    /// Starts a server in a process of its own, and a client without channels. Keeps this thread on
    /// the client's core.
    pub(crate) fn connect(
        &self,
        contender: Contender,
        pattern: Pattern,
        setting: Setting,
    ) -> Outcome<(Server, Box<dyn Client>)> {
        let cores = self.cores.of(setting.placement);
        let server =
            self.serve(contender, pattern, setting.transport, cores.map(|(_, server)| server))?;
        if let Some((client, _)) = cores {
            stay_on(client);
        }
        let client = client(contender, pattern, &server.address)?;
        Ok((server, client))
    }

    fn serve(
        &self,
        contender: Contender,
        pattern: Pattern,
        transport: Transport,
        core: Option<usize>,
    ) -> Outcome<Server> {
        let number = self.sockets.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.path().join(format!("{number}.sock"));
        let path = path.to_str().ok_or("the temporary directory has an odd name")?;
        let core = core.map(|core| core.to_string());
        let mut arguments = vec!["serve", contender.argument(), pattern.argument()];
        if transport == Transport::Uds {
            arguments.extend(["--uds", path]);
        }
        if let Some(core) = &core {
            arguments.extend(["--core", core]);
        }
        let mut peer = Peer::start(&arguments)?;
        let address = peer.address()?;
        Ok(Server { peer, address })
    }

    /// Starts a client, in a process of its own and on a core that neither end is on if there is one,
    /// that sends signals of this size flat out.
    pub(crate) fn flood(&self, contender: Contender, server: &Server, size: u64) -> Outcome<Peer> {
        let size = size.to_string();
        let core = self.cores.of(Placement::TwoCores).map(|(_, core)| core.to_string());
        let mut arguments = vec!["flood", contender.argument(), &server.address, &size];
        if let Some(core) = &core {
            arguments.extend(["--core", core]);
        }
        let mut flood = Peer::start(&arguments)?;
        flood.address()?;
        Ok(flood)
    }

    /// Adds a line to the results, if anybody took part.
    pub(crate) fn add(&mut self, row: Row) {
        if !row.samples.is_empty() {
            self.rows.push(row);
        }
    }

    /// The results. Nothing more is measured.
    pub(crate) fn finish(self) -> Vec<Row> {
        self.progress.finish_and_clear();
        self.rows
    }
}

/// A server that runs. Ends when dropped.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) address: String,
}

/// One number of each of the things measured.
pub(crate) fn pick<T>(
    measured: &[(Contender, Vec<T>)],
    number: impl Fn(&T) -> f64,
) -> Vec<(Contender, Vec<f64>)> {
    measured.iter().map(|(who, values)| (*who, values.iter().map(&number).collect())).collect()
}
