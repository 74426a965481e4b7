package plugin

import (
	"reflect"
	"testing"
	"time"

	"github.com/hyperexport/hyperexport/pkg/backend"
	pb "github.com/hyperexport/hyperexport/pkg/plugin/proto/v1"
)

// fill sets every field below v to a value of its own.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(timeFrom(timeTo(time.Unix(int64(*n), 7)))))
	case v.Kind() == reflect.Struct:
		for _, f := range v.Fields() {
			fill(t, f, n)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"name": "value"}))
	case v.Kind() == reflect.String:
		v.SetString("text-" + string(rune('a'+*n%26)))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(*n))
	case v.CanFloat():
		v.SetFloat(float64(*n))
	default:
		t.Fatalf("a field of type %s", v.Type())
	}
}

func filled[T any](t *testing.T) T {
	t.Helper()
	var v T
	n := 0
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

// crosses sends a value with all its fields through both directions.
func crosses[T, W any](t *testing.T, to func(T) W, from func(W) T) {
	t.Helper()
	want := filled[T](t)
	if got := from(to(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("%T\ngot  %+v\nwant %+v", want, got, want)
	}
}

// TestEveryFieldCrosses keeps a field that the contract gains from being lost on the way to another process.
func TestEveryFieldCrosses(t *testing.T) {
	crosses(t, infoTo, infoFrom)
	crosses(t, objectTo, objectFrom)
	crosses(t, entryTo, entryFrom)
	crosses(t, versionTo, versionFrom)
	crosses(t, uploadTo, uploadFrom)
	crosses(t, partTo, partFrom)
	crosses(t, ruleTo, ruleFrom)
	crosses(t, conditionTo, conditionFrom)
	crosses(t, locationTo, locationFrom)
	crosses(t, exportTo, exportFrom)
	crosses(t, jobTo, jobFrom)
	crosses(t, scopeTo, scopeFrom)
	crosses(t, resourceTo, resourceFrom)
	crosses(t, queryTo, queryFrom)
	crosses(t, seriesTo, seriesFrom)
	crosses(t, func(q backend.MetricQuery) *pb.MetricsRequest { return metricsTo("id", q) }, metricsFrom)
}
