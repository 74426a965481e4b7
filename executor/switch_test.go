package executor

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/wrap"
)

func TestSwitch(t *testing.T) {
	for _, c := range []struct {
		state, action string
		fails         string // the first time, after its effect
		after         string
		changed       bool
		kind          backend.Kind
		asked         string
	}{
		{state: "STOPPED", action: "start", after: "RUNNING", changed: true, asked: "start"},
		{state: "STOPPED", action: "start", fails: "start", after: "RUNNING", changed: true, asked: "start"},
		{state: "RUNNING", action: "start", after: "RUNNING"},
		{state: "RUNNING", action: "softstop", after: "STOPPED", changed: true, asked: "softstop"},
		{state: "STOPPED", action: "stop", after: "STOPPED"},
		{state: "RUNNING", action: "reset", after: "RUNNING", changed: true, asked: "reset"},
		{state: "RUNNING", action: "reset", fails: "reset", after: "CHANGING", changed: true, kind: backend.Unavailable, asked: "reset"},
		{state: "STOPPED", action: "reset", after: "STOPPED", kind: backend.Invalid},
		{state: "TERMINATED", action: "start", after: "TERMINATED", kind: backend.Invalid},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &machine{state: c.state, fails: map[string]int{c.fails: 1}}
			changed, err := Switch(t.Context(), m, wrap.Policy{Attempts: 3}, Poll{}, "id", c.action)
			if changed != c.changed || backend.KindOf(err) != c.kind || c.kind != "" && !errors.Is(err, c.kind) {
				t.Errorf("%+v: %v, %v", c, changed, err)
			}
			if got := strings.Join(m.asked, " "); m.state != c.after || got != c.asked {
				t.Errorf("%+v: the instance is %s after %q", c, m.state, got)
			}
		})
	}
}
