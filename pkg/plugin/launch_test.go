package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// TestBadPrograms starts what is no plugin. The error says what it is, in words and by its reason.
func TestBadPrograms(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	self := options(t, "mem").Command[0]
	for name, c := range map[string]struct {
		command []string
		digest  string
		reason  Reason
		says    string
	}{
		"no command":     {nil, "", Misused, "absolute path"},
		"relative":       {[]string{"plugin"}, "", Misused, "absolute path"},
		"missing":        {[]string{filepath.Join(dir, "none")}, "", Missing, "no such file"},
		"below a file":   {[]string{write("file", "", 0o600) + "/plugin"}, "", Missing, "not a directory"},
		"folder":         {[]string{dir}, "", NotExecutable, "permission denied"},
		"not executable": {[]string{write("plain", "x", 0o600)}, "", NotExecutable, "permission denied"},
		"text":           {[]string{write("text", "no program\n", 0o700)}, "", WrongSystem, "exec format error"},
		"empty":          {[]string{write("empty", "", 0o700)}, "", WrongSystem, "exec format error"},
		"no interpreter": {[]string{write("script", "#!/none/there\n", 0o700)}, "", WrongSystem, "cannot be started"},
		"wrong digest":   {[]string{self, "guest", "mem"}, strings.Repeat("0", 64), WrongDigest, "should be 0000"},
		"garbage":        {[]string{self, "guest", "garbage"}, "", WrongProtocol, `"hello, world\n"`},
		"endless line":   {[]string{self, "guest", "endless"}, "", WrongProtocol, "it is no plugin"},
		"other core":     {[]string{self, "guest", "other-core"}, "", WrongProtocol, "it speaks version 2|1"},
		"next version":   {[]string{self, "guest", "next-version"}, "", WrongProtocol, "it speaks version 2 of the protocol, this program speaks version 1"},
		"no certificate": {[]string{self, "guest", "no-certificate"}, "", WrongProtocol, "certificate"},
		"nobody there":   {[]string{self, "guest", "nobody-there"}, "", WrongProtocol, "does not speak the protocol"},
		"no services":    {[]string{self, "guest", "empty"}, "", WrongProtocol, "unknown service"},
		"silent":         {[]string{self, "guest", "silent"}, "", WrongProtocol, "without a word"},
		"hang":           {[]string{self, "guest", "hang"}, "", Hung, "not ready within"},
		"crash":          {[]string{self, "guest", "crash"}, "", Crashed, "status 3, and printed last: cannot go on without a moon"},
		"quit":           {[]string{self, "guest", "quit"}, "", Crashed, "it ended with status 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, "mem")
			o.Command, o.SHA256 = c.command, c.digest
			if name == "hang" {
				o.Timeouts.Start = 500 * time.Millisecond
			}
			began := time.Now()
			h, err := Launch(t.Context(), o)
			if err == nil {
				h.Close()
				t.Fatal("it was launched")
			}
			var fault *Error
			if !errors.As(err, &fault) || !errors.Is(err, c.reason) || !strings.Contains(err.Error(), c.says) || fault.Plugin != "mem" {
				t.Errorf("want %q and %q, got %q: %v", c.reason, c.says, fault.Reason, err)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestWrongArchitecture(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the file is one of Linux
	}
	header := elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_S390), Version: 1,
		Ehsize: 64, Phentsize: 56}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "foreign")
	if err := os.WriteFile(path, append(b.Bytes(), make([]byte, 4096)...), 0o700); err != nil {
		t.Fatal(err)
	}
	o := options(t, "mem")
	o.Command = []string{path}
	if _, err := Launch(t.Context(), o); !errors.Is(err, WrongSystem) {
		t.Errorf("want %q, got %v", WrongSystem, err)
	}
}

// TestLaunchIsCanceled launches what never gets ready, for a caller who does not wait that long.
func TestLaunchIsCanceled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Launch(ctx, options(t, "hang")); !errors.Is(err, Hung) {
		t.Errorf("got %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Launch(canceled, options(t, "mem")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestRefusedConfiguration gets the guest's own error, without the secret that is in it.
func TestRefusedConfiguration(t *testing.T) {
	o := options(t, "mem")
	o.Config.Settings["refuse"] = "nobody knows you"
	_, err := Launch(t.Context(), o)
	var fault *Error
	if !errors.Is(err, backend.Unauthorized) || errors.As(err, &fault) || err.Error() != "sign in: nobody knows you with ***" {
		t.Errorf("got %v", err)
	}
	o = options(t, "mem")
	o.Config.Secrets["bad"] = "\xff"
	if _, err = Launch(t.Context(), o); !errors.Is(err, Misused) || !strings.Contains(err.Error(), `"bad"`) {
		t.Errorf("a secret that is no text: %v", err)
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	c := Config{Settings: map[string]string{"region": "r"}, Secrets: map[string]string{"key": canary}}
	json, err := c.MarshalJSON()
	for _, text := range []string{c.String(), c.GoString(), c.LogValue().String(), string(json)} {
		if err != nil || strings.Contains(text, "canary") || !strings.Contains(text, "region=") || !strings.Contains(text, "key=***") {
			t.Errorf("%s, %v", text, err)
		}
	}
}

func TestAllow(t *testing.T) {
	got := Allow([]string{"HOME=/h", "AWS_REGION=r", "AWS=x", "PATH=/p", "HOMER=s"}, "HOME", "AWS_*", "NONE")
	if strings.Join(got, " ") != "HOME=/h AWS_REGION=r" {
		t.Errorf("got %q", got)
	}
}

func digestOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// TestDigest replaces the program after it was launched, or writes over it: when it is started again, it is the old one.
func TestDigest(t *testing.T) {
	o := options(t, "mem")
	script := "#!/bin/sh\nexec " + o.Command[0] + " \"$@\"\n"
	for name, c := range map[string]struct {
		program string
		inPlace bool
	}{
		"binary": {"", false}, "binary-in-place": {"", true}, "script": {script, false}, "script-in-place": {script, true},
	} {
		program := c.program
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "plugin")
			content := []byte(program)
			if program == "" {
				var err error
				if content, err = os.ReadFile(o.Command[0]); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path+".new", content, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
			o := options(t, "mem")
			o.Command[0], o.SHA256 = path, strings.ToUpper(digestOf(t, path))
			h := launch(t, o)
			if !c.inPlace {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, []byte("#!/bin/sh\necho evil\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			s := openMem(t, h)
			h.current.kill(Died, errors.New("for the test"))
			eventually(t, 20*time.Second, "the guest is started again", func() bool {
				_, err := s.Stat(t.Context(), "key")
				return errors.Is(err, backend.NotFound)
			})
		})
	}
}
