package oci

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

// powerActions are what Act can do, and what the service calls that.
var powerActions = map[string]core.InstanceActionActionEnum{
	"start":     core.InstanceActionActionStart,
	"stop":      core.InstanceActionActionStop,
	"softstop":  core.InstanceActionActionSoftstop,
	"reset":     core.InstanceActionActionReset,
	"softreset": core.InstanceActionActionSoftreset,
}

// Act switches an instance. It returns when the service has begun; an instance in the wrong state is Busy. A softstop gives
// the operating system 15 minutes, then the service switches the instance off.
func (v inventory) Act(ctx context.Context, id, action string) error {
	do, ok := powerActions[action]
	if !ok {
		return &backend.Error{Op: action, Key: id, Kind: backend.Unsupported,
			Err: fmt.Errorf("an instance can be switched by %s", strings.Join(slices.Sorted(maps.Keys(powerActions)), ", "))}
	}
	if err := checkOCID("instance", id, "instance"); err != nil {
		return invalid(action, clip(id), "%w", err)
	}
	resp, err := v.p.machines.InstanceAction(quick(ctx), core.InstanceActionRequest{InstanceId: &id, Action: do, RequestMetadata: v.p.once})
	if err != nil {
		return failure(ctx, action, id, resp, err)
	}
	return nil
}
