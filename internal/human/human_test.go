package human_test

import (
	"math"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/internal/human"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "?", 0: "0 B", 1: "1 B", 999: "999 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB",
		99 << 10: "99.0 KiB", 100 << 10: "100 KiB", 102348: "99.9 KiB", 102349: "100 KiB",
		1<<20 - 1: "1.0 MiB", 1023<<10 + 511: "1023 KiB", 1<<30 - 1: "1.0 GiB", 210 << 20: "210 MiB",
		80 << 30: "80.0 GiB", 5 << 40: "5.0 TiB", math.MaxInt64: "8.0 EiB",
	} {
		if got := human.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBytesOf(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		want        string
	}{
		{13314398617, 80 << 30, "12.4 of 80.0 GiB"},
		{512 << 20, 80 << 30, "512 MiB of 80.0 GiB"},
		{0, 80 << 30, "0 B of 80.0 GiB"},
		{0, 0, "0 of 0 B"},
		{7 << 20, -1, "7.0 MiB"},
		{-1, 1 << 20, "0 B of 1.0 MiB"},
	} {
		if got := human.BytesOf(c.done, c.total); got != c.want {
			t.Errorf("BytesOf(%d, %d) = %q, want %q", c.done, c.total, got, c.want)
		}
	}
}

func TestRate(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0 B/s", 0.4: "0 B/s", -3: "0 B/s", 1500: "1.5 KiB/s", 210 << 20: "210 MiB/s", 1.5 * (1 << 30): "1.5 GiB/s",
	} {
		if got := human.Rate(n); got != want {
			t.Errorf("Rate(%v) = %q, want %q", n, got, want)
		}
	}
	if got := human.Rate(math.NaN()); got != "0 B/s" {
		t.Errorf("Rate(NaN) = %q", got)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 10: "1ms", 350 * time.Millisecond: "350ms", 999 * time.Millisecond: "999ms",
		999900 * time.Microsecond: "1s", 4200 * time.Millisecond: "4.2s", 9949 * time.Millisecond: "9.9s",
		9960 * time.Millisecond: "10s", 42 * time.Second: "42s", 59700 * time.Millisecond: "1m",
		340 * time.Second: "5m 40s", 60 * time.Second: "1m", 3599*time.Second + 600*time.Millisecond: "1h",
		100 * time.Minute: "1h 40m", 2 * time.Hour: "2h", 47*time.Hour + 59*time.Minute + 40*time.Second: "2d",
		76 * time.Hour: "3d 4h",
	} {
		if got := human.Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", int64(d), got, want)
		}
	}
}

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00", 0: "0:00", 42900 * time.Millisecond: "0:42", 3558 * time.Second: "59:18",
		time.Hour: "1:00:00", 3723 * time.Second: "1:02:03", 100 * time.Hour: "100:00:00",
	} {
		if got := human.Clock(d); got != want {
			t.Errorf("Clock(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 12: "12", 999: "999", 1000: "1,000", 1204311: "1,204,311", -45000: "-45,000", -100: "-100",
		math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := human.Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for _, c := range []struct {
		n          int64
		noun, want string
	}{
		{0, "object", "0 objects"}, {1, "object", "1 object"}, {1204, "object", "1,204 objects"},
		{1, "retry", "1 retry"}, {2, "retry", "2 retries"}, {2, "day", "2 days"},
	} {
		if got := human.Plural(c.n, c.noun); got != c.want {
			t.Errorf("Plural(%d, %q) = %q, want %q", c.n, c.noun, got, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		want        string
	}{
		{0, 10, "0 %"}, {15, 100, "15 %"}, {999, 1000, "99 %"}, {1000, 1000, "100 %"}, {20, 10, "100 %"},
		{-1, 10, "0 %"}, {5, 0, ""}, {5, -1, ""},
	} {
		if got := human.Percent(c.done, c.total); got != c.want {
			t.Errorf("Percent(%d, %d) = %q, want %q", c.done, c.total, got, c.want)
		}
	}
}
