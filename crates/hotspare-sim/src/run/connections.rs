//! The connections between a call and the providers: sending requests, starting replies, closing.
//!
//! Invariant: an attempt that holds or waits for a slot at a provider releases it exactly once.

use hotspare_core::Moment;

use super::{Event, Going, Live, Stage};
use crate::provider::{Ask, Seat, Welcome};
use crate::reply::Reply;

impl Stage<'_> {
    /// Sends a request to a provider.
    pub(super) fn send(&mut self, seat: Seat, live: &mut Live, mut going: Going) {
        self.note(2, going.place as u64);
        self.ledger.started(self.now, going.place, live.going.is_empty());
        going.nth = live.going.iter().filter(|one| one.place == going.place).count() as u64;
        let seat = Seat { attempt: u8::try_from(live.going.len()).unwrap_or(u8::MAX), ..seat };
        let ask = Ask { wanted: &live.wanted, weather: &self.weather, key: going.key, nth: going.nth };
        going.ill = self.providers.is_ill(self.now, going.place, &ask);
        match self.providers.welcome(self.now, going.place, seat, &ask) {
            Welcome::Later => going.seated = true,
            Welcome::Now(reply) => {
                going.seated = matches!(reply, Reply::Speech(_));
                self.begin_reply(seat, &mut going, reply);
            }
        }
        live.going.push(going);
    }

    fn begin_reply(&mut self, seat: Seat, going: &mut Going, mut reply: Reply) {
        let wait = match &mut reply {
            Reply::Refusal(after, _) => Some(*after),
            Reply::Silence { pings } => pings.then_some(100_000_000),
            Reply::Speech(speech) => {
                speech.carry_on(going.from);
                speech.wait(self.span, !going.stream)
            }
        };
        going.reply = Some(reply);
        if let Some(wait) = wait {
            self.timeline.push(Moment::from_nanos(self.now.as_nanos() + wait), Event::Signal(seat));
        }
    }

    /// An attempt is over: closes its connection and frees its slot.
    pub(super) fn hang_up(&mut self, seat: Seat, live: &mut Live, index: usize) {
        let Some(going) = live.going.get_mut(index).filter(|going| !going.over) else { return };
        going.over = true;
        if let Some(stakes) = going.stakes.take() {
            self.watch.settled(&stakes);
        }
        let seat = Seat { attempt: u8::try_from(index).unwrap_or(u8::MAX), ..seat };
        let waiting = going.reply.is_none();
        if going.seated
            && let Some(next) = self.providers.leave(going.place, seat, waiting)
        {
            self.seat(next, going.place);
        }
    }

    /// A slot became free for a queued attempt.
    fn seat(&mut self, mut next: Seat, place: usize) {
        loop {
            let slot = &mut self.slots[next.call as usize];
            let live = if slot.generation == next.generation { slot.live.take() } else { None };
            if let Some(mut live) = live {
                let index = usize::from(next.attempt);
                let going = &live.going[index];
                if !going.over {
                    let ask =
                        Ask { wanted: &live.wanted, weather: &self.weather, key: going.key, nth: going.nth };
                    let reply = self.providers.serve(self.now, place, &ask);
                    let going = &mut live.going[index];
                    self.begin_reply(next, going, reply);
                    self.slots[next.call as usize].live = Some(live);
                    return;
                }
                self.slots[next.call as usize].live = Some(live);
            }
            match self.providers.leave(place, next, false) {
                Some(another) => next = another,
                None => return,
            }
        }
    }
}
