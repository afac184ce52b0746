//! How long a client may make the server wait.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The pace of a transfer. The other side may pause for `timeout` at once; all its pauses together may take `timeout`, and the
/// time that the transferred bytes take at the lowest rate. The time in which this side does not wait does not count.
#[derive(Debug)]
pub struct Pace {
    timeout: Duration,
    bytes_per_s: u32,
    /// What is left of the pauses.
    left: Duration,
    pause: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Pace {
    /// Returns the pace of a transfer that begins.
    #[must_use]
    pub fn new(timeout: Duration, bytes_per_s: u32) -> Pace {
        Pace { timeout, bytes_per_s, left: timeout, pause: None }
    }

    /// Notes that bytes were transferred, which ends a pause.
    pub fn advance(&mut self, bytes: usize) {
        if let Some((began, _)) = self.pause.take() {
            self.left = self.left.saturating_sub(began.elapsed());
        }
        self.left += Duration::from_secs_f64(bytes as f64 / f64::from(self.bytes_per_s));
    }

    /// Waits until the other side has paused for too long. The first call begins a pause.
    pub fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (timeout, left) = (self.timeout, self.left);
        let (_, sleep) = self.pause.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + timeout.min(left))))
        });
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::timeout;

    /// Returns whether a pause of this length is allowed.
    async fn pauses(pace: &mut Pace, seconds: f64) -> bool {
        timeout(Duration::from_secs_f64(seconds), poll_fn(|context| pace.poll_overdue(context))).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_has_a_limit() {
        let mut pace = Pace::new(Duration::from_secs(10), 1000);
        pace.advance(1_000_000);
        assert!(pauses(&mut pace, 9.0).await);
        pace.advance(1);
        assert!(pauses(&mut pace, 9.0).await && !pauses(&mut pace, 2.0).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_of_bytes_has_a_limit() {
        let mut pace = Pace::new(Duration::from_secs(10), 1000);
        // Ten seconds, and two more for 2000 bytes.
        for _ in 0..4 {
            assert!(pauses(&mut pace, 2.5).await);
            pace.advance(500);
        }
        assert!(!pauses(&mut pace, 2.5).await);
    }
}
