package ocisim_test

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
)

func TestWorkRequestLogsInPages(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil)
	answer := must(c.compute.CreateImage(t.Context(), createImageRequest(c, "web-01")))(t)
	c.clock.Advance(createTime)
	c.awaitImage(answer.Id, core.ImageLifecycleStateAvailable)
	for order, want := range map[workrequests.ListWorkRequestLogsSortOrderEnum][]string{
		workrequests.ListWorkRequestLogsSortOrderAsc:  {"CreateImage accepted.", "CreateImage started.", "CreateImage succeeded."},
		workrequests.ListWorkRequestLogsSortOrderDesc: {"CreateImage succeeded.", "CreateImage started.", "CreateImage accepted."},
	} {
		request := workrequests.ListWorkRequestLogsRequest{WorkRequestId: answer.OpcWorkRequestId, Limit: ptr(1), SortOrder: order}
		for i := range want {
			page := must(c.requests.ListWorkRequestLogs(t.Context(), request))(t)
			if len(page.Items) != 1 || *page.Items[0].Message != want[i] || (page.OpcNextPage == nil) != (i == len(want)-1) {
				t.Fatalf("%s: have page %d %v, want %q", order, i, page, want[i])
			}
			request.Page = page.OpcNextPage
		}
	}
	unknown := ptr("ocid1.coreservicesworkrequest.oc1.phx.none")
	_, err := c.requests.GetWorkRequest(t.Context(), workrequests.GetWorkRequestRequest{WorkRequestId: unknown})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
	_, err = c.requests.ListWorkRequestErrors(t.Context(), workrequests.ListWorkRequestErrorsRequest{WorkRequestId: unknown})
	wantError(t, err, 404, "NotAuthorizedOrNotFound")
	_, err = c.requests.ListWorkRequests(t.Context(), workrequests.ListWorkRequestsRequest{CompartmentId: ptr("")})
	wantError(t, err, 400, "MissingParameter")
}
