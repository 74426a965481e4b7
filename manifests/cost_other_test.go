//go:build !unix

package manifests

import "time"

var started = time.Now()

// spent is the time since the start, for want of something better.
func spent() time.Duration { return time.Since(started) }
