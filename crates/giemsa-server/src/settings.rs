//! What a server is started with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to listen on. Port 0 is any free port.
    pub address: SocketAddr,
    /// The folder of the cases; `None` for the user's data folder, see [`default_data`](crate::serve::default_data).
    pub data: Option<PathBuf>,
    /// What a client must send as its bearer token. Required on any address that is not loopback.
    pub token: Option<String>,
    /// Host names by which clients may call the server, besides `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// The models. The first one is used for the page and where a request names none.
    pub models: Vec<ModelSource>,
    /// Limits on what clients may send.
    pub limits: Limits,
}

/// A model and its name in the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSource {
    /// The name.
    pub name: String,
    /// The model file; `None` for the built-in model.
    pub path: Option<PathBuf>,
}

/// Limits on what clients may send, and on what may wait.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest body of a request, in bytes.
    pub body_bytes: usize,
    /// The most images in a request.
    pub parts: usize,
    /// The most pixels of the image of a single cell.
    pub cell_pixels: u64,
    /// The threads that classify images of cells, by default as many as compute everything else.
    pub cell_threads: usize,
    /// The most images of cells that wait for the engine, those in work included.
    pub queued_cells: usize,
    /// The most other jobs that wait for the engine: photographs, saliency maps, reports.
    pub queued_jobs: usize,
    /// The most memory for bodies, in bytes. A body takes twice its size.
    pub bodies_bytes: usize,
    /// The most requests in work per client address.
    pub requests_per_client: usize,
    /// How long a client may take to send the headers of a request, or to begin the next one on an open connection.
    pub header_timeout: Duration,
    /// The most connections. Further ones wait until the operating system accepts no more.
    pub connections: usize,
    /// How long a client may pause while it sends a body.
    pub body_timeout: Duration,
    /// The lowest rate, averaged over a request or a connection, at which a client sends a body and reads answers.
    pub lowest_bytes_per_s: u32,
    /// How long a client may pause while it reads an answer.
    pub read_timeout: Duration,
    /// How long requests in work may take to finish when the server is stopped.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 256 << 20,
            parts: 1000,
            cell_pixels: 4_000_000,
            cell_threads: rayon::current_num_threads(),
            queued_cells: 512,
            queued_jobs: 16,
            bodies_bytes: 1 << 30,
            requests_per_client: 256,
            header_timeout: Duration::from_secs(10),
            connections: 768,
            body_timeout: Duration::from_secs(30),
            lowest_bytes_per_s: 8 << 10,
            read_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// The port that is used unless another one is given.
pub const PORT: u16 = 8417;

impl Default for Settings {
    /// Returns settings for the built-in model on the loopback address.
    fn default() -> Settings {
        Settings {
            address: (IpAddr::V4(Ipv4Addr::LOCALHOST), PORT).into(),
            data: None,
            token: None,
            hosts: Vec::new(),
            models: vec![ModelSource { name: "compact".to_owned(), path: None }],
            limits: Limits::default(),
        }
    }
}
