package sink

import "time"

const (
	meterEvery = time.Second
	meterSize  = 61 // a minute between the first and the last
	rateOver   = 10 * time.Second
)

// meter measures a rate from a total that is told to it once in a while. Its zero value is ready.
type meter struct {
	samples []sample
}

type sample struct {
	at    time.Time
	total int64
}

// sample notes the total; more often than once a second it does nothing.
func (m *meter) sample(at time.Time, total int64) {
	if n := len(m.samples); n > 0 && at.Sub(m.samples[n-1].at) < meterEvery {
		return
	}
	if len(m.samples) == meterSize {
		copy(m.samples, m.samples[1:])
		m.samples = m.samples[:meterSize-1]
	}
	m.samples = append(m.samples, sample{at, total})
	// The time before the first byte is no part of the rate.
	for m.span() > rateOver && m.samples[0].total == m.samples[1].total {
		m.samples = append(m.samples[:0], m.samples[1:]...)
	}
}

// reset forgets what was: after a pause the rate before it says nothing about the rate to come.
func (m *meter) reset() { m.samples = m.samples[:0] }

// rate is in bytes per second over the last seconds, or -1 when that is too short to tell.
func (m *meter) rate() float64 { return m.over(rateOver) }

// steadyRate is the rate over the last minute, or -1 when that is too short to tell.
func (m *meter) steadyRate() float64 {
	if m.span() < 5*time.Second {
		return -1
	}
	return m.over(meterSize * meterEvery)
}

func (m *meter) span() time.Duration {
	if len(m.samples) < 2 {
		return 0
	}
	return m.samples[len(m.samples)-1].at.Sub(m.samples[0].at)
}

func (m *meter) over(window time.Duration) float64 {
	if len(m.samples) < 2 {
		return -1
	}
	last := m.samples[len(m.samples)-1]
	first := last
	for i := len(m.samples) - 2; i >= 0 && last.at.Sub(m.samples[i].at) <= window; i-- {
		first = m.samples[i]
	}
	took := last.at.Sub(first.at).Seconds()
	if took <= 0 {
		return -1
	}
	return float64(last.total-first.total) / took
}
