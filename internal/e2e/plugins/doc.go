// Package plugins kills the processes that the command starts for its backends, and the command itself, in the middle of
// transfers to a real S3 server.
package plugins
