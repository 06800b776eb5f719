//! The network between some clients and the brokers: one proxy for each broker, whose connections can be cut or slowed.
//!
//! What is cut is neither closed nor refused: bytes just do not come, as on a real network, and go on when it heals.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Bytes that are carried at once.
const PIECE_BYTES_MAX: usize = 16 * 1024;
/// What each piece takes on a slow network.
const SLOW_PIECE: Duration = Duration::from_millis(150);

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    #[default]
    Fair,
    /// Nothing comes through.
    Cut,
    /// What clients say does not come to the brokers.
    Mute,
    /// What brokers say does not come to the clients.
    Deaf,
    /// Every piece takes its time.
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToBroker,
    ToClient,
}

/// Shared by all proxies.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<(Mutex<Weather>, Condvar)>);

impl Network {
    pub(crate) fn set(&self, weather: Weather) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = weather;
        self.0.1.notify_all();
    }

    /// Carries connections from `listener` to the port of a broker, until the program ends.
    pub(crate) fn carry(&self, listener: TcpListener, port: u16) {
        let network = self.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let network = network.clone();
                thread::spawn(move || network.connect(client, port));
            }
        });
    }

    /// A broker that is away is so for the client as well.
    fn connect(&self, client: TcpStream, port: u16) {
        self.pass(Direction::ToBroker);
        let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let (Ok(from_client), Ok(from_broker)) = (client.try_clone(), broker.try_clone()) else { return };
        let network = self.clone();
        thread::spawn(move || network.copy(from_broker, client, Direction::ToClient));
        self.copy(from_client, broker, Direction::ToBroker);
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, direction: Direction) {
        let mut piece = vec![0; PIECE_BYTES_MAX];
        while let Ok(bytes) = from.read(&mut piece)
            && bytes > 0
        {
            self.pass(direction);
            if to.write_all(&piece[..bytes]).is_err() {
                break;
            }
        }
        // An end is a word like any other.
        self.pass(direction);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// Waits until something may go this way, as long as that takes.
    fn pass(&self, direction: Direction) {
        let (weather, changed) = &*self.0;
        let weather = weather.lock().unwrap_or_else(PoisonError::into_inner);
        let open = changed.wait_while(weather, |weather| weather.stops(direction));
        let slow = *open.unwrap_or_else(PoisonError::into_inner) == Weather::Slow;
        if slow {
            thread::sleep(SLOW_PIECE);
        }
    }
}

impl Weather {
    fn stops(self, direction: Direction) -> bool {
        match self {
            Weather::Fair | Weather::Slow => false,
            Weather::Cut => true,
            Weather::Mute => direction == Direction::ToBroker,
            Weather::Deaf => direction == Direction::ToClient,
        }
    }
}
