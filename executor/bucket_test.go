package executor

import (
	"errors"
	"testing"

	"github.com/hyperexport/hyperexport/pkg/backend"
	"github.com/hyperexport/hyperexport/pkg/backend/backendtest"
	"github.com/hyperexport/hyperexport/plan"
)

func bucketStep() plan.Step {
	return plan.Step{ID: "bucket.dest", Bucket: &plan.Bucket{At: at("dest/"), Rules: []backend.LifecycleRule{
		{Name: "gone", Action: backend.LifecycleDelete, Days: 9, Prefix: "tmp/"}, {Name: "uploads", Action: backend.LifecycleAbort, Days: 7}}}}
}

func TestApplySetsRules(t *testing.T) {
	w := newWorld(t)
	report, err := w.apply(t.Context(), planOf(bucketStep()))
	if err != nil || report.Steps[0].Outcome != Done || report.Steps[0].Rules != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	rules, err := w.container("dest").Lifecycle(t.Context())
	if err != nil || len(backend.CompareLifecycle(rules, bucketStep().Bucket.Rules)) > 0 {
		t.Errorf("%+v, %v", rules, err)
	}
}

// What somebody did between the plan and the run is not done again, nor said to be.
func TestApplyFindsTheRulesSet(t *testing.T) {
	w, s := newWorld(t), bucketStep()
	if _, err := w.container("dest").SetLifecycle(t.Context(), s.Bucket.Rules); err != nil {
		t.Fatal(err)
	}
	report, err := w.apply(t.Context(), planOf(s))
	if err != nil || report.Steps[0].Outcome != Done || report.Steps[0].Rules != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A run goes on: rules that somebody changed since are set again.
func TestRulesAreSetAgainByARunThatGoesOn(t *testing.T) {
	w, p := newWorld(t), planOf(bucketStep())
	for range 2 {
		report, err := w.apply(t.Context(), p)
		if err != nil || report.Steps[0].Outcome != Done || report.Steps[0].Rules != 2 {
			t.Errorf("%+v, %v", report, err)
		}
		if changed, err := w.container("dest").SetLifecycle(t.Context(), nil); err != nil || !changed {
			t.Errorf("changed %t, %v", changed, err)
		}
	}
}

func TestRulesThatAreRefusedFailTheirStepOnly(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpSetLifecycle, Err: backend.Forbidden}}
	report, err := w.apply(t.Context(), planOf(bucketStep(), objectStep()))
	got := outcomes(report)
	if !errors.Is(err, backend.Forbidden) || report.Outcome != Partial || got["bucket.dest"] != Failed || got["transfer.one"] == Failed || report.step("bucket.dest").Kind != backend.Forbidden {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRulesAreRetried(t *testing.T) {
	w := newWorld(t)
	w.faults["dest"].Rules = []backendtest.Rule{{Op: backendtest.OpSetLifecycle, Times: 1, After: true, Err: backend.Unavailable}}
	report, err := w.apply(t.Context(), planOf(bucketStep()))
	if err != nil || report.Steps[0].Rules != 2 || report.Steps[0].Retries != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}
