//! What happened, line by line, for whoever wants to know.

use tofu_core::Instant;

/// Lines, kept only where somebody asked for them.
#[derive(Default)]
pub struct Trace {
    lines: Option<Vec<String>>,
    now: Instant,
}

impl Trace {
    /// A trace that keeps its lines.
    pub fn on() -> Trace {
        Trace { lines: Some(Vec::new()), now: Instant::ZERO }
    }

    /// What time it is.
    pub fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Notes one thing; what it says is only worked out where it is kept.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let micros = self.now.as_micros();
            lines.push(format!("{:>6}.{:06}  {}", micros / 1_000_000, micros % 1_000_000, line()));
        }
    }

    /// The lines so far.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
