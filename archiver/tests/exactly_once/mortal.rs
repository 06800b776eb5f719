//! A future that is killed after so many polls: dropped where it stands, as by `kill -9`.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// One that has had nothing to do for this long is killed too.
const IDLE: Duration = Duration::from_millis(20);

pub(crate) struct Mortal<F> {
    life: Pin<Box<F>>,
    polls_left: u64,
    idle: Pin<Box<Sleep>>,
}

impl<F: Future<Output = ()>> Mortal<F> {
    pub(crate) fn new(life: F, polls_max: u64) -> Mortal<F> {
        Mortal { life: Box::pin(life), polls_left: polls_max, idle: Box::pin(sleep(IDLE)) }
    }
}

impl<F: Future<Output = ()>> Future for Mortal<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let is_idle = this.idle.is_elapsed();
        this.polls_left = this.polls_left.saturating_sub(1);
        if is_idle || this.polls_left == 0 || this.life.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        this.idle.as_mut().reset(Instant::now() + IDLE);
        // Registers the wake-up; it cannot have elapsed yet.
        this.idle.as_mut().poll(context)
    }
}
