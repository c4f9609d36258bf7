package node

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// An API server that has just started may answer "not found" for a pod that exists. If the node believed the answer,
// the pod would never be removed.
func TestLeaveRepeatsUntilTheWatchShowsThatThePodIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewSimpleClientset()
		w := &worker{
			node:      &Node{client: client},
			namespace: "a",
			podName:   "p",
			uid:       "u",
			deleting:  make(chan struct{}),
			gone:      make(chan struct{}),
		}
		requests := 0
		client.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			switch requests++; requests {
			case 1:
				return true, nil, apierrors.NewServiceUnavailable("starting")
			case 2:
				return true, nil, apierrors.NewNotFound(corev1.Resource("pods"), "p")
			default:
				close(w.gone)
				return true, nil, nil
			}
		})
		close(w.deleting)
		began := time.Now()
		w.leave(t.Context())
		if took := time.Since(began); requests != 3 || took != leaveRetry+leaveAgain {
			t.Errorf("%d requests in %s, want 3 in %s", requests, took, leaveRetry+leaveAgain)
		}
	})
}
