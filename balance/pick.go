package balance

import (
	"math/rand/v2"
	"slices"
	"time"
)

// slow is how many times the pace of the quickest makes a member one that is not asked
// while others are there. Requests that wait count in a pace: where the quick ones have
// too much to do, theirs comes near and it is asked again.
const slow = 2

// even is how far apart costs mean nothing: paces are noisy.
const even = 0.9

// tryout is the share of requests that such a member gets nevertheless, for it may be
// quick again. Far below one in a hundred: it shall not be seen in the slowest hundredth.
const tryout = 0.003

// pick returns the member to ask, none of those in not; nil: there is nobody.
//
// Of two that are drawn at random the one with less to do for its speed is taken
// (Mitzenmacher 2001): nearly as good as the best of all, and balancers that do not
// know of each other do not all run to the same one.
func (p *pool) pick(now time.Time, not []*member) *member {
	all := p.views(now)
	all = slices.DeleteFunc(all, func(v view) bool { return slices.Contains(not, v.member) })
	some := among(all, ready)
	if len(some) == 0 { // better one that failed than nobody
		if some = among(all, ejected); len(some) == 0 {
			some = among(all, joining)
		}
	}
	if len(some) == 0 {
		return nil
	}
	quick, rest := bySpeed(some)
	if len(rest) > 0 && rand.Float64() < tryout*float64(len(rest)) {
		return rest[rand.IntN(len(rest))].member
	}
	for _, group := range [][]view{quick, rest} {
		if free := slices.DeleteFunc(slices.Clone(group), func(v view) bool { return v.mine >= p.cfg.PerMember }); len(free) > 0 {
			return better(free).member
		}
	}
	return better(quick).member
}

func among(all []view, s state) []view {
	var some []view
	for _, v := range all {
		if v.state == s {
			some = append(some, v)
		}
	}
	return some
}

// bySpeed parts those whose pace is known to be far from the quickest one's.
func bySpeed(some []view) (quick, rest []view) {
	least := 0.0
	for _, v := range some {
		if v.pace > 0 && v.share == 1 && (least == 0 || v.pace < least) {
			least = v.pace
		}
	}
	for _, v := range some {
		if v.pace == 0 { // as good as any, until it is known
			if v.pace = least; least == 0 {
				v.pace = 1
			}
		}
		if least > 0 && v.pace > slow*least {
			rest = append(rest, v)
		} else {
			quick = append(quick, v)
		}
	}
	return quick, rest
}

// better draws two and returns the better one. Who came back a moment ago is drawn
// less often.
func better(some []view) view {
	i := draw(some, -1)
	if len(some) == 1 {
		return some[i]
	}
	a, b := some[i], some[draw(some, i)]
	if b.cost() < even*a.cost() {
		return b
	}
	return a // drawn first, or better, or as good as
}

// cost is in proportion to how long a request would take.
func (v view) cost() float64 {
	return float64(v.load+1) * v.pace
}

// draw returns an index by share, not the one excluded.
func draw(some []view, not int) int {
	sum := 0.0
	for i, v := range some {
		if i != not {
			sum += v.share
		}
	}
	at := rand.Float64() * sum
	last := 0
	for i, v := range some {
		if i == not {
			continue
		}
		if last = i; at < v.share {
			break
		}
		at -= v.share
	}
	return last
}
