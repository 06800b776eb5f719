//! A future that is killed after so many polls: dropped where it stands, as by `kill -9`.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pub(crate) struct Mortal<F> {
    life: Pin<Box<F>>,
    polls_left: u64,
}

impl<F: Future<Output = ()>> Mortal<F> {
    pub(crate) fn new(life: F, polls_max: u64) -> Mortal<F> {
        Mortal { life: Box::pin(life), polls_left: polls_max }
    }
}

impl<F: Future<Output = ()>> Future for Mortal<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.polls_left = self.polls_left.saturating_sub(1);
        if self.polls_left == 0 { Poll::Ready(()) } else { self.life.as_mut().poll(context) }
    }
}
