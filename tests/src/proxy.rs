//! A way to a server that can be slow, dead, or cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with every byte, in connections that are open and in those to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// Hands it on.
    #[default]
    Passes,
    /// Hands it on after so long, in both directions.
    Delays(Duration),
    /// Takes it and says nothing, as a machine does that has lost its power: the connections are half open. One that
    /// has lost a byte stays so for ever: when the way is whole again, only a new connection helps.
    Swallows,
}

/// What connections are told.
#[derive(Clone, Copy, Default)]
struct Order {
    manner: Manner,
    /// How often all connections were cut so far.
    cuts: u64,
}

/// A proxy on a port of its own; it ends with its value.
pub struct Proxy {
    address: String,
    target: watch::Sender<Option<String>>,
    order: watch::Sender<Order>,
    connections: Arc<AtomicU64>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy before `host:port`.
    pub async fn before(target: &str) -> Self {
        let proxy = Self::unaimed().await;
        proxy.aim(target);
        proxy
    }

    /// A proxy before a server that must know the proxy's address to start; connections wait until it is aimed.
    pub async fn unaimed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (order, seen) = watch::channel(Order::default());
        let (target, mut aimed) = watch::channel(None::<String>);
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            let Ok(Some(target)) = aimed.wait_for(Option::is_some).await.map(|target| target.clone()) else {
                return;
            };
            while let Ok((client, _)) = listener.accept().await {
                let cuts = seen.borrow().cuts;
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(client, target.clone(), seen.clone(), cuts));
            }
        });
        Self { address, target, order, connections, accepting }
    }

    /// Lets it begin, before `host:port`.
    pub fn aim(&self, target: &str) {
        self.target.send_replace(Some(target.to_owned()));
    }

    /// `host:port` of the proxy.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on.
    pub fn set(&self, manner: Manner) {
        self.order.send_modify(|order| order.manner = manner);
    }

    /// Closes every connection that is open now.
    pub fn cut(&self) {
        self.order.send_modify(|order| order.cuts += 1);
    }

    /// Connections that were made to it so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// `cuts` is how often connections had been cut when this one was made.
async fn serve(client: TcpStream, target: String, order: watch::Receiver<Order>, cuts: u64) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_half_open = AtomicBool::new(false);
    // Whoever ends first ends both.
    tokio::select! {
        () = carry(from_client, to_server, order.clone(), cuts, &is_half_open) => {}
        () = carry(from_server, to_client, order, cuts, &is_half_open) => {}
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut order: watch::Receiver<Order>,
    cuts: u64,
    is_half_open: &AtomicBool,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            read = from.read(&mut bytes) => match read {
                Ok(count) if count > 0 => count,
                _ => return,
            },
            // A connection on which nothing moves must end, too.
            _ = order.wait_for(|order| order.cuts != cuts) => return,
        };
        let manner = order.borrow().manner;
        match manner {
            Manner::Passes => {}
            Manner::Delays(pause) => tokio::time::sleep(pause).await,
            Manner::Swallows => is_half_open.store(true, Ordering::SeqCst),
        }
        if !is_half_open.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
