package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/objectstorage"
	"github.com/rogpeppe/go-internal/testscript"
)

// simrules BUCKET [NAME...]: somebody else adds a rule of each NAME to the bucket's lifecycle policy, or changes the one
// that is there: it deletes all objects after 900 days. Without names: lists the rules, a line each.
func cmdSimRules(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: simrules bucket [name...]")
	}
	s, ctx, bucket := simOf(ts), context.Background(), args[0]
	namespace, client := s.Namespace(), s.storage(ts)
	now, err := client.GetObjectLifecyclePolicy(ctx, objectstorage.GetObjectLifecyclePolicyRequest{NamespaceName: &namespace, BucketName: &bucket})
	if failure, ok := common.IsServiceError(err); ok && failure.GetCode() == "LifecyclePolicyNotFound" {
		err = nil
	}
	ts.Check(err)
	if len(args) == 1 {
		for _, line := range ruleLines(now.Items) {
			_, err := fmt.Fprintln(ts.Stdout(), line)
			ts.Check(err)
		}
		return
	}
	for _, name := range args[1:] {
		now.Items = slices.DeleteFunc(now.Items, func(r objectstorage.ObjectLifecycleRule) bool { return *r.Name == name })
		now.Items = append(now.Items, objectstorage.ObjectLifecycleRule{Name: &name, Action: common.String("DELETE"), TimeAmount: common.Int64(900),
			TimeUnit: objectstorage.ObjectLifecycleRuleTimeUnitDays, IsEnabled: common.Bool(true)})
	}
	_, err = client.PutObjectLifecyclePolicy(ctx, objectstorage.PutObjectLifecyclePolicyRequest{NamespaceName: &namespace, BucketName: &bucket,
		PutObjectLifecyclePolicyDetails: objectstorage.PutObjectLifecyclePolicyDetails{Items: now.Items}})
	ts.Check(err)
}

// ruleLines writes each rule in a line, sorted.
func ruleLines(rules []objectstorage.ObjectLifecycleRule) []string {
	var lines []string
	for _, r := range rules {
		line := fmt.Sprintf("%s %s %d %s", *r.Name, *r.Action, *r.TimeAmount, r.TimeUnit)
		if r.Target != nil {
			line += " " + *r.Target
		}
		if f := r.ObjectNameFilter; f != nil {
			line += " " + strings.Join(f.InclusionPrefixes, ",")
		}
		if !*r.IsEnabled {
			line += " disabled"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
