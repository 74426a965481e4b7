// Package e2e tests the command as a process against a simulator of OCI in this one: it kills it at random moments and
// demands that the next run ends as if nothing had happened.
//
// Its tests take -kills N for more of that, and -seed to repeat what failed.
package e2e
