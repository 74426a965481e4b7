package manifests

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"time"
)

const (
	bytesPattern    = `^[0-9]+(\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB)$`
	ratePattern     = `^[0-9]+(\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB)/s$`
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+$`
)

var (
	bytesRegexp    = regexp.MustCompile(bytesPattern)
	durationRegexp = regexp.MustCompile(durationPattern)
	daysRegexp     = regexp.MustCompile(`[0-9]+(\.[0-9]+)?d`)
)

// ParseBytes reads a size such as "256MiB" (2^20) or "40 MB" (10^6). The unit is required.
func ParseBytes(s string) (int64, error) {
	m := bytesRegexp.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size: write a number and a unit, such as 256MiB or 256MB", s)
	}
	unit := m[2]
	base := int64(1000)
	if strings.HasSuffix(unit, "iB") {
		base = 1024
	}
	power := strings.IndexByte("BKMGT", strings.ToUpper(unit)[0])
	n, ok := new(big.Rat).SetString(strings.TrimSpace(strings.TrimSuffix(s, unit)))
	if !ok || len(s) > 64 {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	factor := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(power)), nil)
	n.Mul(n, new(big.Rat).SetInt(factor))
	whole := new(big.Int).Div(n.Num(), n.Denom())
	if !whole.IsInt64() {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return whole.Int64(), nil
}

// ParseRate reads a rate such as "40MiB/s" and returns bytes per second, at least 1.
func ParseRate(s string) (int64, error) {
	size, ok := strings.CutSuffix(s, "/s")
	if !ok || !bytesRegexp.MatchString(size) {
		return 0, fmt.Errorf("%q is not a rate: write a size per second, such as 40MiB/s", s)
	}
	n, err := ParseBytes(size)
	if err == nil && n == 0 {
		err = errors.New("a rate of 0 moves nothing: leave the key out for no limit")
	}
	return n, err
}

// ParseDuration reads what time.ParseDuration reads, without a sign, and also days: "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	if !durationRegexp.MatchString(s) {
		return 0, fmt.Errorf("%q is not a duration: write a number and a unit, such as 30s, 12h or 2d", s)
	}
	var total time.Duration
	for _, days := range daysRegexp.FindAllString(s, -1) {
		n, err := time.ParseDuration(strings.TrimSuffix(days, "d") + "h")
		if err != nil || n > math.MaxInt64/24 || total > math.MaxInt64-24*n {
			return 0, fmt.Errorf("duration %q is too long", s)
		}
		total += 24 * n
	}
	if rest := daysRegexp.ReplaceAllString(s, ""); rest != "" {
		n, err := time.ParseDuration(rest)
		if err != nil || total > math.MaxInt64-n {
			return 0, fmt.Errorf("duration %q is too long", s)
		}
		total += n
	}
	return total, nil
}
