package controller

import "testing"

func TestWhyPending(t *testing.T) {
	type object = map[string]any
	status := func(conditions, checks []any) object {
		return object{"status": object{"conditions": conditions, "admissionChecks": checks}}
	}
	reserved := []any{
		object{"type": "QuotaReserved", "status": "True", "message": "Quota reserved in ClusterQueue lab"},
	}
	for name, tt := range map[string]struct {
		workload object
		want     string
	}{
		"a Workload that Kueue has not considered": {object{}, ""},
		"a Workload whose queue lacks quota": {status([]any{
			object{"type": "Requeued", "status": "True", "message": "not this one"},
			object{"type": "QuotaReserved", "status": "False", "message": "insufficient unused quota"},
		}, nil), "insufficient unused quota"},
		"a Workload that is admitted": {status(reserved, nil), ""},
		"a Workload with a check that has not passed": {status(reserved, []any{
			object{"name": "budget", "state": "Ready", "message": "paid"},
			object{"name": "nodes", "state": "Pending", "message": "two nodes are starting"},
		}), "admission check nodes is Pending: two nodes are starting"},
		"a Workload of an unknown shape": {
			object{"status": object{"conditions": []any{"?"}, "admissionChecks": object{}}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := whyPending(tt.workload); got != tt.want {
				t.Errorf("want %q, got %q", tt.want, got)
			}
		})
	}
}
