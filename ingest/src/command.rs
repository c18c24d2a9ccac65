//! What a person can ask for beside running the worker.

mod dead_letters;
mod loss;
mod reading;
mod source;
mod topics;
mod verify;

use crate::cluster::Cluster;
use crate::guard::Guard;
use crate::must_stop::MustStop;
use crate::patience::Patience;
use crate::settings::IngestSettings;
use crate::source::Source;
use crate::topic::Kind;
use anyhow::{Context, ensure};
use clap::{Args, Subcommand, ValueEnum};
use service::health::Health;
use service::shutdown::Shutdown;
use warehouse::Warehouse;

pub use dead_letters::{DeadLetter, ListArgs, RedriveArgs};
pub use verify::VerifyArgs;

/// The subcommands. Without one, the worker runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read calls and write them to the ledger until SIGTERM (the default)
    Run,
    /// Create the three topics, or check that existing ones are right; may be run twice
    Topics,
    /// Show, open or close sources: which topic of which cluster the positions stand for
    #[command(subcommand)]
    Source(SourceCommand),
    /// Record messages that were deleted before they were read, so that ingest goes on after them
    RecordLoss(LossArgs),
    /// Prove against the broker that every offset has its one named end. Exit code 1 if a difference was found
    Verify(VerifyArgs),
    /// Look at messages that could not be counted, and put them back after a fix
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

/// What can be done with sources.
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// List all sources
    Show,
    /// Begin a source with the topic as it is now; the one before must be closed
    Open {
        /// Which topic
        #[arg(long)]
        topic: KindArg,
    },
    /// Record the end of the open source, when everything in its topic is in the ledger
    Close {
        /// Which topic
        #[arg(long)]
        topic: KindArg,
        /// End it where the ledger is, without asking Kafka: the topic is lost, or was replaced. Be sure that no worker is
        /// left, frozen ones included
        #[arg(long, requires = "yes_the_rest_is_gone")]
        at_frontier: bool,
        /// Confirms that what the ledger does not have will never be counted
        #[arg(long)]
        yes_the_rest_is_gone: bool,
    },
}

/// Which offsets are gone.
#[derive(Debug, Args)]
pub struct LossArgs {
    /// Which topic
    #[arg(long)]
    pub topic: KindArg,
    /// The partition
    #[arg(long)]
    pub partition: u16,
    /// The last offset that is gone
    #[arg(long)]
    pub through: i64,
    /// Confirms that these messages will never be counted
    #[arg(long, required = true)]
    pub yes_these_messages_are_gone: bool,
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Print them with reason, origin and bytes
    List(ListArgs),
    /// Put back those that can be counted now, after a fix; may be run twice
    Redrive(RedriveArgs),
}

/// A topic on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindArg {
    /// Calls
    Calls,
    /// Organisations and members
    Directory,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Calls => Self::Calls,
            KindArg::Directory => Self::Directory,
        }
    }
}

/// What every command needs.
struct Tools {
    settings: IngestSettings,
    warehouse: Warehouse,
    cluster: Cluster,
    patience: Patience,
}

impl Tools {
    /// The open source of a kind, whose topic is still the one that was recorded.
    async fn open_source(&self, kind: Kind) -> Result<Source, MustStop> {
        let guard = Guard::new(&self.settings.kafka, &self.warehouse, &self.cluster, self.patience.clone());
        guard.open_source(kind).await
    }

    /// Makes sure that no worker of the group runs.
    ///
    /// # Errors
    /// If one does, with what it `would` do; or as a [`KafkaError`](rdkafka::error::KafkaError) if Kafka does not answer.
    async fn ensure_no_workers(&self, would: &str) -> anyhow::Result<()> {
        let group = self.settings.kafka.group_id.clone();
        let asked = group.clone();
        let members = self.cluster.ask(move |cluster| cluster.group_members(&asked)).await?;
        ensure!(members == 0, "workers of group `{group}` are running; stop them first, or {would}");
        Ok(())
    }
}

/// Does what was asked, once, and prints the outcome to stdout.
///
/// # Errors
/// Why it could not be done. Nothing was changed then.
pub async fn execute(command: Command, settings: IngestSettings, shutdown: Shutdown) -> anyhow::Result<()> {
    let tools = Tools {
        warehouse: Warehouse::new(&settings.clickhouse),
        cluster: Cluster::new(&settings.kafka).context("cannot make a Kafka client")?,
        patience: Patience::new(Health::new().component("command"), &shutdown, &settings.retry),
        settings,
    };
    match command {
        Command::Run => anyhow::bail!("the worker is not a command"),
        Command::Topics => topics::make_all(&tools).await,
        Command::Source(SourceCommand::Show) => source::show(&tools).await,
        Command::Source(SourceCommand::Open { topic }) => source::open(&tools, topic.into()).await,
        Command::Source(SourceCommand::Close { topic, at_frontier, .. }) => {
            source::close(&tools, topic.into(), at_frontier).await
        }
        Command::Verify(args) => verify::verify(&tools, args).await,
        Command::RecordLoss(args) => loss::record(&tools, &args).await,
        Command::DeadLetters(DeadLettersCommand::List(args)) => {
            dead_letters::list(tools.settings.kafka, args).await
        }
        Command::DeadLetters(DeadLettersCommand::Redrive(args)) => dead_letters::redrive(&tools, args).await,
    }
}
