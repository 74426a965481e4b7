// Package pluginv1 is the protocol between hyperexport and its plugins, version 1, as generated from backend.proto, which is
// its documentation. Only pkg/plugin imports it: authors in Go implement pkg/backend and call plugin.Serve; authors in
// other languages implement backend.proto.
package pluginv1

//go:generate ./generate.sh
