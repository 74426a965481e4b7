package plugin

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// processorTime returns the time that this process and its living children have used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	total := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	self := strconv.Itoa(os.Getpid())
	entries, err := os.ReadDir("/proc")
	if err != nil {
		b.Fatal(err)
	}
	for _, entry := range entries {
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 13 && fields[1] == self {
			total += threadTimes(b, entry.Name())
		}
	}
	return total
}

// threadTimes returns the time of all threads of a process, which the kernel counts in nanoseconds.
func threadTimes(b *testing.B, pid string) time.Duration {
	b.Helper()
	threads, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil {
		b.Fatal(err)
	}
	var total time.Duration
	for _, thread := range threads {
		stat, err := os.ReadFile("/proc/" + pid + "/task/" + thread.Name() + "/schedstat")
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n)
	}
	return total
}
