// Package plugin runs a backend.Provider in another process: a crash, a leak or a hang in it does not take the program down,
// and authors ship what they write on its own.
//
// An author implements package backend and calls Serve; that is the whole main function. The host calls Launch and has a
// backend.Provider again, so that nothing else in the program knows where a backend runs. Calls cross by gRPC, over
// hashicorp/go-plugin, as proto/v1/backend.proto says; the bytes of objects stay where they are, in the memory of an Arena.
//
// A plugin is a trusted program: it is kept from doing harm by accident, not from doing it on purpose.
package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// Version is the version of the protocol that this package speaks on both sides.
const Version = 1

// Factory makes the provider of a guest.
type Factory func(ctx context.Context, c Config) (backend.Provider, error)

// Config is what a guest is configured with. Which settings and secrets there are, the plugin's own documentation says.
// Printed or logged, it shows the names of the secrets and not their values.
type Config struct {
	Settings map[string]string
	Secrets  map[string]string // never in an error, a log or a file; every value is masked in what a guest prints
}

// String shows the settings and the names of the secrets.
func (c Config) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		fmt.Fprintf(&b, "%s=%q ", name, c.Settings[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		fmt.Fprintf(&b, "%s=%s ", name, masked)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON gives the text of String: a Config is not for files.
func (c Config) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", c.String()), nil }

// notText returns the name of a value that cannot cross.
func (c Config) notText() string {
	for _, m := range []map[string]string{c.Settings, c.Secrets} {
		for name, value := range m {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return text(name)
			}
		}
	}
	return ""
}

const (
	callHeader  = "hyperexport-call"
	maxMessage  = 32 << 20      // bytes of one message, both ways
	inlineChunk = 1<<20 - 4<<10 // bytes of an object in one message: with the rest of it, it fits into 1 MiB
	service     = "backend"
)

// handshake keeps a plugin that a user starts by hand from waiting for a host. It is no secret.
func handshake() goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{MagicCookieKey: "HYPEREXPORT_PLUGIN", MagicCookieValue: "f2a3d9c4-backend"}
}

// link is the plugin as go-plugin knows it: on the guest's side the services, on the host's side the connection.
type link struct {
	goplugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
}

func (l *link) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	l.register(s)
	return nil
}

func (l *link) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
