package main

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what scripts compare with anew")

// TestMain makes this test binary the command hyperexport of the scripts, and a plugin.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hyperexport": main, "hyperexport-plugin-leaky": leakyMain})
}

// TestScripts runs testdata/script: command lines as a user types them, each script against a simulator of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Setup: setUp, Cmds: scriptCommands(),
		RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
	})
}

// scriptCommands are what scripts know beside the commands of testscript.
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"sim":        cmdSim,
		"simcount":   cmdSimCount,
		"simwait":    cmdSimWait,
		"simthen":    cmdSimThen,
		"simhold":    cmdSimHold,
		"simrelease": cmdSimRelease,
		"simfault":   cmdSimFault,
		"simcalm":    cmdSimCalm,
		"simforget":  cmdSimForget,
		"simempty":   cmdSimEmpty,
		"simlist":    cmdSimList,
		"simput":     cmdSimPut,
		"simkey":     cmdSimKey,
		"simas":      cmdSimAs,
		"simexpire":  cmdSimExpire,
		"simtoken":   cmdSimToken,
		"simdeny":    cmdSimDeny,
		"simsame":    cmdSimSame,
		"simrules":   cmdSimRules,
		"exits":      cmdExits,
		"start":      cmdStart,
		"signal":     cmdSignal,
		"ends":       cmdEnds,
		"jsonq":      cmdJSONQ,
		"mask":       cmdMask,
		"printed":    cmdPrinted,
		"gateway":    cmdGateway,
		"webplugin":  cmdWebplugin,
		"hostile":    cmdHostile,
	}
}

// world is what one script works with.
type world struct {
	names   []string // of environment variables that its commands get
	started map[string]*started
	sim     *simulator
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// setUp gives a script an environment in which nothing of the user's is seen.
func setUp(env *testscript.Env) error {
	w := &world{started: map[string]*started{}}
	env.Values[worldKey{}] = w
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("HYPEREXPORT_STATE", filepath.Join(env.WorkDir, "state"))
	env.Setenv("HYPEREXPORT_POLL", "10ms")
	examples, err := filepath.Abs(filepath.Join(root, "manifests", "examples"))
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	env.Setenv("TERM", "xterm")
	env.Setenv("OCI_METADATA_BASE_URL", "http://127.0.0.1:1/opc/v2")      // and neither is the network's metadata service
	env.Setenv("SPARSE", cmp.Or(os.Getenv("HYPEREXPORT_SPARSE"), "600M")) // size of the file of sparse.txt
	env.Setenv("AWS_EC2_METADATA_DISABLED", "true")                       // nothing outside of this machine is asked
	env.Setenv("GORACE", "atexit_sleep_ms=0")                             // the race detector lets each process sleep for a second at its end
	for _, v := range env.Vars {
		for i := range v {
			if v[i] == '=' {
				w.names = append(w.names, v[:i])
				break
			}
		}
	}
	return nil
}

// setenv sets a variable for the commands that follow, those of start too.
func (w *world) setenv(ts *testscript.TestScript, name, value string) {
	ts.Setenv(name, value)
	w.names = append(w.names, name)
}
