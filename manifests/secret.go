package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Secret says where a secret is: in an environment variable, in a file, or in what a command prints. It never holds the
// secret, and however it is printed it shows "***".
type Secret struct {
	env, file string
	exec      []string
}

const (
	maxSecret     = 64 << 10 // bytes; keys and tokens are far smaller
	secretTimeout = 30 * time.Second
)

// Resolve gets the secret, without the newline at its end. env looks up environment variables; relative paths are below
// dir; a command runs with the process's own environment and ends with ctx. The error says where the secret was sought
// and never what was found there.
func (s Secret) Resolve(ctx context.Context, env func(string) (string, bool), dir string) (string, error) {
	var secret string
	var err error
	switch {
	case s.env != "":
		ok := false
		if env != nil {
			secret, ok = env(s.env)
		}
		if !ok {
			err = errors.New("it is not set")
		}
	case s.file != "":
		secret, err = readSecret(inHome(s.file, env), dir)
	case len(s.exec) > 0:
		secret, err = runSecret(ctx, s.exec, dir)
	default:
		return "", errors.New("secret: nothing says where it is")
	}
	if err != nil {
		return "", fmt.Errorf("secret from %s: %w", s.Origin(), err)
	}
	secret = strings.TrimSuffix(strings.TrimSuffix(secret, "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("secret from %s: it is empty", s.Origin())
	}
	return secret, nil
}

// Origin says where the secret is, for errors and lists: "environment variable DR_KEY".
func (s Secret) Origin() string {
	switch {
	case s.env != "":
		return "environment variable " + s.env
	case s.file != "":
		return "file " + s.file
	case len(s.exec) > 0:
		return "command " + s.exec[0] // its arguments may say more than they should
	}
	return "nowhere"
}

// IsZero reports whether s refers to nothing.
func (s Secret) IsZero() bool { return s.env == "" && s.file == "" && len(s.exec) == 0 }

func (s Secret) String() string { return "***" }

// Format prints "***" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// MarshalText gives "***", in JSON too.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// MarshalYAML gives "***".
func (s Secret) MarshalYAML() (any, error) { return "***", nil }

// LogValue gives "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue("***") }

func readSecret(path, dir string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	p, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(p) > maxSecret {
		err = fmt.Errorf("it has more than %d bytes", maxSecret)
	}
	return string(p), err
}

func inHome(path string, env func(string) (string, bool)) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && env != nil {
		for _, name := range []string{"HOME", "USERPROFILE"} {
			if home, ok := env(name); ok && home != "" {
				return filepath.Join(home, rest)
			}
		}
	}
	return path
}

func runSecret(ctx context.Context, args []string, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	name := args[0]
	if strings.ContainsAny(name, `/\`) && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
		if !filepath.IsAbs(name) {
			name = "." + string(filepath.Separator) + name
		}
	}
	var out limitedBuffer
	cmd := exec.CommandContext(ctx, name, args[1:]...)
	cmd.Stdout = &out
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("%w; run it by hand to see why", err)
	}
	if out.Len() > maxSecret {
		return "", fmt.Errorf("it printed more than %d bytes", maxSecret)
	}
	return out.String(), nil
}

// limitedBuffer keeps enough to tell that there was too much.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), maxSecret+1-b.Len())])
	return len(p), nil
}

// secretKeyPattern is what keys of secrets are called, also in plugins that we know nothing about.
const secretKeyPattern = `(^|_)([pP]assw(or)?d|passphrase|secret|secret_key|secret_access_key|access_key|api_key|private_key|token|credentials?)$`

var secretKey = regexp.MustCompile(secretKeyPattern)

const secretHint = "write {env: NAME}, {file: PATH} or {exec: [COMMAND, ...]}"

func secretForm() form[Secret] {
	f := object("the secret",
		at("env", "Environment variable that holds the secret.", func(s *Secret) *string { return &s.env },
			matching(envRegexp, "%q is no name of an environment variable", "")),
		at("file", "File that holds the secret; relative to the manifest's folder.", func(s *Secret) *string { return &s.file }, str()),
		at("exec", "Command that prints the secret, with its arguments. No shell is involved.",
			func(s *Secret) *[]string { return &s.exec }, oneOr(list(str(), repeats), str())),
	).says(func(s *schema) {
		s.MinProperties, s.MaxProperties = 1, 1
		s.Description = "A reference to a secret; the secret itself never stands here."
	})
	bind := f.bind
	f.bind = func(b *binder, v value, to *Secret) {
		n := follow(v.node)
		switch {
		case n.Kind != yaml.MappingNode && n.ShortTag() != "!!null":
			b.hideAll(v.node)
			b.failAt(v.node, secretHint, "%s is a secret and must not stand in the file", v.name)
		case n.Kind == yaml.MappingNode && len(b.quietly().pairs(v)) != 1:
			b.failAt(v.mark(), secretHint, "%s needs exactly one of env, file and exec", v.name)
		default:
			bind(b, v, to)
		}
	}
	return f
}

// hideAll makes n unreadable, and if it is an alias what it stands for.
func (b *binder) hideAll(n *yaml.Node) {
	n = follow(n)
	if n.Kind == yaml.ScalarNode {
		b.src.hide(n)
	}
	for _, c := range n.Content {
		b.hideAll(c)
	}
}
