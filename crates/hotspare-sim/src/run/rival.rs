//! A rival as a player: one attempt at a time, at most three, without hedging or continuation.
//!
//! Separate code on purpose, so that a bug of the engine cannot hide in what it is compared with. Invariant: a rival
//! gets the same weather and the same draws as the engine.

use hotspare_core::{Kind, Moment};

use super::{Body, Cast, Going, Heard, Live, Seat, Stage};
use crate::chance::Purpose;
use crate::ledger::Fate;
use crate::reply::Told;
use crate::rivals::{self, Next, Sight};

/// Maximum number of attempts per call of a rival.
const MOST: usize = 3;

/// A rival's call in progress.
#[derive(Clone, Debug, Default)]
pub(super) struct RivalCall {
    pub(super) timer: Option<Moment>,
    /// It is queued: the timer is for the next check.
    waiting: bool,
    tried: Vec<usize>,
    last: Option<Kind>,
}

impl Stage<'_> {
    /// Starts the next attempt or gives up. Returns true once the call is over.
    pub(super) fn rival_next(&mut self, seat: Seat, live: &mut Live) -> bool {
        let (Cast::Rival(rival), Body::Rival(own)) = (&mut self.cast, &mut live.body) else { return true };
        let luck = self.chance.draw(Purpose::Call, [live.wanted.number, own.tried.len() as u64, 1]);
        let sight = Sight {
            now: self.now,
            scenario: self.scenario,
            weather: &self.weather,
            providers: &self.providers,
            wanted: &live.wanted,
        };
        let mut out = own.tried.clone();
        if self.weather.is_measured() {
            out.extend(
                (0..self.scenario.targets.len()).filter(|place| self.weather.is_absent(*place, self.now)),
            );
        }
        let next = match own.tried.len() {
            0..MOST => rival.next(&sight, &out, luck),
            _ => Next::GiveUp,
        };
        let deadline = live.arrived + live.wanted.deadline.unwrap_or(self.limits.first_content_deadline);
        let (place, trusted) = match next {
            Next::Start(place) => (Some(place), false),
            Next::Trust(place) => (Some(place), true),
            Next::Wait(time) if self.now + time < deadline => {
                (own.timer, own.waiting) = (Some(self.now + time), true);
                return false;
            }
            Next::Wait(_) | Next::GiveUp => (None, false),
        };
        let Some(place) = place else {
            let kind = own.last.unwrap_or(Kind::NoTarget);
            let fate = if live.wanted.invalid && kind == Kind::InvalidRequest {
                Fate::Mistaken
            } else {
                Fate::Lost { kind, cut: live.words > 0 }
            };
            self.end(live, fate);
            return true;
        };
        own.tried.push(place);
        let limit =
            if live.wanted.stream { self.limits.first_content } else { self.limits.unstreamed.initial() };
        let limit =
            if self.scenario.targets[place].reasoning { self.limits.first_content_reasoning } else { limit };
        own.timer = Some(if trusted { live.arrived + self.limits.total } else { self.now + limit });
        let going = Going {
            place,
            key: rivals::key(self.scenario, place, luck),
            nth: 0,
            stream: live.wanted.stream,
            reply: None,
            over: false,
            seated: false,
            began: self.now,
            voice: place,
            from: 0,
            stakes: None,
            ill: false,
            failed: false,
        };
        self.send(seat, live, going);
        false
    }

    fn rival_outcome(&mut self, live: &Live, index: usize, kind: Option<Kind>) {
        let Cast::Rival(rival) = &mut self.cast else { return };
        let going = &live.going[index];
        let took = self.now.saturating_since(going.began);
        // An invalid request is no evidence about the provider.
        if kind == Some(Kind::InvalidRequest) {
            rival.released(going.began, going.place);
        } else {
            rival.outcome(self.now, going.place, kind, took);
        }
    }

    fn rival_failed(&mut self, seat: Seat, live: &mut Live, index: usize, kind: Kind) -> bool {
        live.going[index].failed = true;
        if matches!(kind, Kind::RateLimited | Kind::GrowthLimited) {
            self.ledger.refused(live.going[index].began, live.going[index].place);
        }
        self.rival_outcome(live, index, Some(kind));
        self.hang_up(seat, live, index);
        let Body::Rival(own) = &mut live.body else { return true };
        own.last = Some(kind);
        if live.words > 0 || kind == Kind::InvalidRequest {
            own.tried = vec![usize::MAX; MOST];
        }
        self.rival_next(seat, live)
    }

    pub(super) fn rival_hear(&mut self, seat: Seat, live: &mut Live, index: usize, heard: Heard) -> bool {
        let told = match heard {
            Heard::Ping => return false,
            Heard::Failure(error) => {
                let kind = error.map_or(Kind::Server, |error| error.kind());
                return self.rival_failed(seat, live, index, kind);
            }
            Heard::Speech(_, told) => told,
        };
        match told {
            Told::Tokens(from, to) | Told::Last(from, to) => {
                if from < to {
                    self.deliver(live, to);
                }
                let gap = self.limits.gap;
                let Body::Rival(own) = &mut live.body else { return true };
                own.timer = (live.words > 0).then(|| self.now + gap).or(own.timer);
            }
            Told::Failure(kind) => return self.rival_failed(seat, live, index, kind),
            Told::Clean => return self.rival_failed(seat, live, index, Kind::Truncated),
        }
        if !matches!(told, Told::Last(..)) {
            return false;
        }
        self.rival_outcome(live, index, None);
        live.served = Some(index);
        self.hang_up(seat, live, index);
        self.end(live, Fate::Answered);
        true
    }

    pub(super) fn rival_timer(&mut self, seat: Seat, live: &mut Live) -> bool {
        if let Body::Rival(own) = &mut live.body
            && std::mem::take(&mut own.waiting)
        {
            return self.rival_next(seat, live);
        }
        let Some(index) = live.going.len().checked_sub(1) else { return true };
        let kind = if live.words > 0 { Kind::Stalled } else { Kind::Timeout };
        self.rival_failed(seat, live, index, kind)
    }

    pub(super) fn rival_left(&mut self, seat: Seat, live: &mut Live) -> bool {
        if let (Cast::Rival(rival), Some(going)) = (&mut self.cast, live.going.last()) {
            rival.released(going.began, going.place);
        }
        for index in 0..live.going.len() {
            self.hang_up(seat, live, index);
        }
        self.end(live, Fate::Left);
        true
    }
}
