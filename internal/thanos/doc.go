// Package thanos lets the acceptance suite of Thanos' object storage library judge the simulator of OCI, by way of the
// provider that Thanos itself uses, unmodified. It is a module of its own, because its dependencies are not ours.
package thanos
