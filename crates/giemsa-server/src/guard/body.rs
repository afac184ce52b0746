//! Bodies of requests: how much of them is in memory, and how long they take to arrive.

use super::Pace;
use crate::problem::Problem;
use crate::settings::Limits;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// The memory that is left for bodies.
#[derive(Clone)]
pub struct MemoryBudget {
    left_bytes: Arc<AtomicUsize>,
}

impl MemoryBudget {
    /// Returns a budget.
    pub fn new(bytes: usize) -> MemoryBudget {
        MemoryBudget { left_bytes: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// Takes bytes of the budget, or returns false if it has too few.
    fn take(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.left_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// Checks the length that a request states. Nothing is reserved for it: a client that states a length and sends nothing must not
/// take the place of others.
pub fn check_length(request: &Request, limits: &Limits, memory: &MemoryBudget) -> Result<(), Problem> {
    let stated = request.body().size_hint().lower();
    if stated > limits.body_bytes as u64 {
        return Err(Problem::too_large("the body is larger than the server accepts"));
    }
    if stated * COPIES as u64 > memory.left_bytes.load(Ordering::Relaxed) as u64 {
        return Err(out_of_memory());
    }
    Ok(())
}

fn out_of_memory() -> Problem {
    Problem::unavailable("the server is busy: too much data of requests is in work")
}

/// The memory that a byte of a body takes: while the pieces of a body are joined, they are in memory twice.
const COPIES: usize = 2;

const NO_FAULT: u8 = 0;
const TOO_SLOW: u8 = 1;
const OUT_OF_MEMORY: u8 = 2;

/// What a request has sent. The memory is free when it is dropped.
pub struct Intake {
    shared: Arc<Account>,
}

struct Account {
    memory: MemoryBudget,
    taken_bytes: AtomicUsize,
    fault: AtomicU8,
    is_cut: AtomicBool,
}

impl Intake {
    /// Opens an account for a request.
    pub fn new(memory: &MemoryBudget) -> Intake {
        let account = Account {
            memory: memory.clone(),
            taken_bytes: AtomicUsize::new(0),
            fault: AtomicU8::new(NO_FAULT),
            is_cut: AtomicBool::new(false),
        };
        Intake { shared: Arc::new(account) }
    }

    /// Returns the request with a body that ends with an error if it arrives too slowly, or if the budget is empty.
    pub fn watch(&self, request: Request, limits: &Limits) -> Request {
        if request.body().is_end_stream() {
            return request;
        }
        let pace = Pace::new(limits.body_timeout, limits.lowest_bytes_per_s);
        request.map(|body| Body::new(WatchedBody { body, pace, account: self.shared.clone() }))
    }

    /// Returns what was wrong with the body.
    pub fn fault(&self) -> Option<Problem> {
        match self.shared.fault.load(Ordering::Relaxed) {
            TOO_SLOW => Some(Problem::request_timeout("the body of the request arrived too slowly")),
            OUT_OF_MEMORY => Some(out_of_memory()),
            _ => None,
        }
    }

    /// Returns whether the body was dropped before its end.
    pub fn is_cut(&self) -> bool {
        self.shared.is_cut.load(Ordering::Relaxed)
    }

    /// Frees the memory of what has arrived so far.
    pub fn release(&self) {
        self.shared.release();
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.release();
    }
}

impl Account {
    fn release(&self) {
        let taken = self.taken_bytes.swap(0, Ordering::Relaxed);
        self.memory.left_bytes.fetch_add(taken, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> bool {
        let is_taken = self.memory.take(bytes);
        if is_taken {
            self.taken_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        is_taken
    }
}

struct WatchedBody {
    body: Body,
    pace: Pace,
    account: Arc<Account>,
}

impl WatchedBody {
    fn fail(&self, fault: u8, reason: &'static str) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.account.fault.store(fault, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(reason))))
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.account.is_cut.fetch_or(!self.body.is_end_stream(), Ordering::Relaxed);
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return match self.pace.poll_overdue(context) {
                Poll::Ready(()) => self.fail(TOO_SLOW, "the body arrives too slowly"),
                Poll::Pending => Poll::Pending,
            };
        };
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.pace.advance(bytes);
            if !self.account.take(COPIES * bytes) {
                return self.fail(OUT_OF_MEMORY, "the memory for bodies is used up");
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
