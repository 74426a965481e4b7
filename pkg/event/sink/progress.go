package sink

import "time"

// total is what the step has to move, or -1.
func (s *step) total() int64 {
	total := max(s.bytes, s.sized)
	if s.bytes < 0 && s.sized == 0 {
		return -1
	}
	return max(total-s.lost, 0)
}

// shown is done without what was moved twice.
func (s *step) shown() int64 {
	if total := s.total(); total >= 0 {
		return min(s.done, total)
	}
	return s.done
}

// progress gives the bytes done and to do, and whether total is all there is to do. A total of -1 is not known.
func (m *model) progress() (done, total int64, final bool) {
	sum := m.endedDone
	done, final = m.endedDone, true
	for _, s := range m.running {
		done += s.shown()
		if t := s.total(); t >= 0 {
			sum += t
		} else {
			final = false
		}
	}
	switch {
	case m.steps > 0 && len(m.ended)+len(m.running) >= m.steps:
		total = sum
	case m.planned >= 0:
		total = max(m.planned-m.endedLost, sum)
	default:
		return done, -1, false
	}
	return min(done, total), total, final
}

// left estimates the time to go. It says nothing while the total is not known or grew just now, and nothing while the
// rate is not steady or work is paused: no estimate is better than one that jumps.
func (m *model) left(now time.Time) (time.Duration, bool) {
	done, total, final := m.progress()
	rate := m.meter.steadyRate()
	if m.meter.rate() < rate/4 { // stalled, or nearly so
		return 0, false
	}
	if !final || done >= total || rate <= 0 || len(m.pauses) > 0 || now.Sub(m.totalAt) < 10*time.Second {
		return 0, false
	}
	seconds := float64(total-done) / rate
	if seconds > 30*24*3600 {
		return 0, false
	}
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d > 10*time.Minute:
		d = d.Round(time.Minute)
	case d > time.Minute:
		d = d.Round(10 * time.Second)
	default:
		d = max(d.Round(time.Second), time.Second)
	}
	return d, true
}
