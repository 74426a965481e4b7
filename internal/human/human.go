// Package human writes sizes, rates, times and counts the way people read them: "1.2 GiB", "210 MiB/s", "5m 40s",
// "1,204 objects". It is for text only; what a program reads has plain numbers.
package human

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Bytes writes a size in binary units with three or four digits: "512 B", "12.4 GiB", "210 MiB". A negative size is not
// known: "?".
func Bytes(n int64) string {
	if n < 0 {
		return "?"
	}
	number, unit := scale(float64(n))
	return number + " " + unit
}

// BytesOf writes a share of a size: "12.4 of 80.0 GiB", "512 MiB of 80.0 GiB". The size of an unknown whole is left out.
func BytesOf(done, total int64) string {
	if total < 0 {
		return Bytes(done)
	}
	number, unit := scale(float64(max(done, 0)))
	whole, wholeUnit := scale(float64(total))
	if unit == wholeUnit {
		return number + " of " + whole + " " + unit
	}
	return number + " " + unit + " of " + whole + " " + wholeUnit
}

// Rate writes bytes per second: "210 MiB/s".
func Rate(perSecond float64) string {
	if math.IsNaN(perSecond) || perSecond < 0 {
		perSecond = 0
	}
	number, unit := scale(perSecond)
	return number + " " + unit + "/s"
}

// scale picks the unit in which n has at most four digits before the point, and one decimal below 100.
func scale(n float64) (number, unit string) {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	// 1023.5 KiB would round to "1024 KiB".
	for i < len(units)-1 && math.Round(n) >= 1024 {
		n /= 1024
		i++
	}
	switch {
	case i == 0 || n >= 99.95:
		return strconv.FormatFloat(n, 'f', 0, 64), units[i]
	default:
		return strconv.FormatFloat(n, 'f', 1, 64), units[i]
	}
}

// Duration writes a time with its two largest units: "350ms", "4.2s", "42s", "5m 40s", "1h 40m", "3d 4h". A negative one
// is "0s".
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return "1ms"
	case d < 999500*time.Microsecond:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + "ms"
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + "s"
	}
	if d = d.Round(time.Second); d < time.Hour {
		return pair(int64(d/time.Minute), "m", int64(d%time.Minute/time.Second), "s")
	}
	if d = d.Round(time.Minute); d < 48*time.Hour {
		return pair(int64(d/time.Hour), "h", int64(d%time.Hour/time.Minute), "m")
	}
	d = d.Round(time.Hour)
	return pair(int64(d/(24*time.Hour)), "d", int64(d%(24*time.Hour)/time.Hour), "h")
}

// pair leaves out what is zero.
func pair(a int64, unitA string, b int64, unitB string) string {
	first, second := strconv.FormatInt(a, 10)+unitA, strconv.FormatInt(b, 10)+unitB
	switch {
	case a == 0:
		return second
	case b == 0:
		return first
	}
	return first + " " + second
}

// Clock writes a time as a clock that counts: "0:42", "59:18", "1:02:03". Parts of a second are cut off.
func Clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	two := func(n int64) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
	if s < 3600 {
		return strconv.FormatInt(s/60, 10) + ":" + two(s%60)
	}
	return strconv.FormatInt(s/3600, 10) + ":" + two(s/60%60) + ":" + two(s%60)
}

// Count writes a number with its thousands apart: "1,204,311".
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, r := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}

// Plural writes a count of things: "1 object", "1,204 objects", "2 retries".
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	stem, ok := strings.CutSuffix(noun, "y")
	if ok && stem != "" && !strings.ContainsRune("aeiou", rune(stem[len(stem)-1])) {
		return Count(n) + " " + stem + "ies"
	}
	return Count(n) + " " + noun + "s"
}

// Percent writes a share, rounded down so that only the whole is 100: "15 %". Of nothing, or of what is not known, it is "".
func Percent(done, total int64) string {
	if total <= 0 {
		return ""
	}
	p := float64(min(max(done, 0), total)) / float64(total) * 100
	return strconv.Itoa(int(p)) + " %"
}
