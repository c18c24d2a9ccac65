//! A process in the storm: it lives, dies, is frozen and woken up, and is started again.

use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Instant;
use system_tests::Process;

/// A fail point that a life was armed with.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// Its name.
    pub name: &'static str,
    /// Which hit.
    pub hit: u32,
    /// Frozen there instead of killed.
    pub freezes: bool,
}

/// Starts a process with some environment more.
type Start = Box<dyn Fn(&[(String, String)]) -> Process + Send>;

/// One process by its role, over all its lives.
pub struct Actor {
    /// Who, e.g. `ingest-1`.
    pub name: String,
    /// The places where it can be armed.
    pub fail_points: &'static [&'static str],
    /// Whether it may end by itself, having done all there was to do.
    pub may_finish: bool,
    start: Start,
    logs: PathBuf,
    life: Option<Life>,
    has_finished: bool,
}

struct Life {
    process: Process,
    armed: Option<Armed>,
    /// Set while it is frozen: when to wake it up.
    thaws_at: Option<Instant>,
    /// Whether it got SIGTERM.
    is_to_end: bool,
}

/// What became of an actor since the last look.
#[derive(Debug)]
pub enum News {
    /// Nothing.
    None,
    /// It came to its fail point and died there.
    DiedAt(&'static str),
    /// It came to its fail point and froze there.
    FrozeAt(&'static str),
    /// It ended well, having nothing more to do.
    Finished,
    /// It ended because it was told to.
    EndedAsTold,
    /// It ended and said that it must be started again, as a worker does whose Kafka client was fenced while it froze.
    AsksForAnother,
}

/// What a worker says that was told to end while others were away or frozen, longer than it may wait.
const GAVE_UP: &str = "gave up the shutdown";

/// What a worker says that ends for a reason which a new life mends.
const START_AGAIN: &str = "start ingest again";

impl Actor {
    /// An actor that is started by `start` with some environment more. Its log goes into the folder `logs`.
    pub fn new(
        name: String,
        fail_points: &'static [&'static str],
        logs: PathBuf,
        start: impl Fn(&[(String, String)]) -> Process + Send + 'static,
    ) -> Self {
        let start = Box::new(start);
        Self { name, fail_points, may_finish: false, start, logs, life: None, has_finished: false }
    }

    /// Begins a life.
    pub fn live(&mut self, armed: Option<Armed>) {
        let variable = armed.map(|Armed { name, hit, freezes }| {
            let action = if freezes { ":stop" } else { "" };
            (service::failpoint::VARIABLE.to_owned(), format!("{name}:{hit}{action}"))
        });
        let process = (self.start)(variable.as_slice());
        self.life = Some(Life { process, armed, thaws_at: None, is_to_end: false });
    }

    /// Whether it has done all it had to do.
    pub fn has_finished(&self) -> bool {
        self.has_finished
    }

    /// Whether it runs, frozen or not.
    pub fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    /// Whether it runs and is not frozen.
    pub fn is_awake(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.thaws_at.is_none())
    }

    /// Whether it can be told to end: it runs, was not told yet, and does not end by itself.
    pub fn may_be_told_to_end(&self) -> bool {
        !self.may_finish && self.life.as_ref().is_some_and(|life| !life.is_to_end)
    }

    /// The fail point that it will come to.
    pub fn armed(&self) -> Option<&'static str> {
        self.life.as_ref().and_then(|life| life.armed).map(|armed| armed.name)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut life) = self.life.take() {
            life.process.kill();
            self.keep_log(&life.process, "killed");
        }
    }

    /// SIGTERM. It lives on until it has put its things in order.
    pub fn tell_to_end(&mut self) {
        if let Some(life) = &mut self.life {
            life.process.signal(Signal::TERM);
            life.is_to_end = true;
        }
    }

    /// SIGSTOP, until then.
    pub fn freeze(&mut self, thaws_at: Instant) {
        if let Some(life) = &mut self.life {
            life.process.signal(Signal::STOP);
            life.thaws_at = Some(thaws_at);
        }
    }

    /// SIGCONT, if it is time. With its fail point it froze at, it is armed no more.
    pub fn thaw(&mut self, now: Instant) {
        if let Some(life) = &mut self.life
            && life.thaws_at.is_some_and(|at| at <= now)
        {
            life.process.signal(Signal::CONT);
            life.thaws_at = None;
        }
    }

    /// Looks what became of it.
    ///
    /// # Panics
    /// If it ended for a reason of its own.
    pub fn look(&mut self) -> News {
        let Some(mut life) = self.life.take() else { return News::None };
        if life.process.has_ended() {
            let status = life.process.wait();
            self.keep_log(&life.process, &status.to_string());
            return match life.armed {
                Some(armed) if status.signal() == Some(9) => News::DiedAt(armed.name),
                _ if status.success() && self.may_finish => {
                    self.has_finished = true;
                    News::Finished
                }
                _ if life.is_to_end && (status.success() || life.process.has_said(GAVE_UP)) => {
                    News::EndedAsTold
                }
                _ if life.process.has_said(START_AGAIN) => News::AsksForAnother,
                _ => panic!("{} ended by itself, {status}:\n{}", self.name, life.process.log().join("\n")),
            };
        }
        let froze = life.armed.filter(|armed| armed.freezes && life.process.has_said("fail point reached"));
        if froze.is_some() {
            life.armed = None;
        }
        self.life = Some(life);
        froze.map_or(News::None, |armed| News::FrozeAt(armed.name))
    }

    fn keep_log(&self, process: &Process, end: &str) {
        use std::io::Write;
        let file = self.logs.join(format!("{}.log", self.name));
        if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(file) {
            let _ = writeln!(file, "{}\n--- {end} ---", process.log().join("\n"));
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Some(life) = &self.life {
            self.keep_log(&life.process, "the storm ended");
        }
    }
}
