//! Where a run was made, and how busy others kept it.

use std::fmt;
use std::fs;
use std::thread;

/// A machine as Linux tells of it; elsewhere not much is known.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Threads that want a core, mean of the last minute.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn now() -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let model = lines.find(|(name, _)| name.trim() == "model name");
        let loads = read("/proc/loadavg");
        Machine {
            processor: model.map(|(_, model)| model.trim().to_owned()).unwrap_or_default(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: loads.split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, load } = self;
        write!(f, "{processor}, {cores} cores, Linux {kernel}, load {load}")
    }
}
