package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plumbline.dev/plumbline/hack/localcluster/cluster"
	"plumbline.dev/plumbline/hack/localcluster/node"
)

func imageCommand(t *target) *cobra.Command {
	return &cobra.Command{
		Use:   "image NAME PROGRAM [-- ARG...]",
		Short: "Say which local program runs for an image",
		Long: `Say which local program the node runs for an image. No restart is needed: the node looks
up the program whenever it starts a container. A NAME without a tag covers every tag.`,
		Example: `  localcluster image plumbline.dev/trainer:dev bin/plumbline-trainer
  localcluster image busybox /bin/busybox -- sh`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := t.open()
			if err != nil {
				return err
			}
			if err := node.SetImage(c, args[0], node.Image{Program: args[1], Args: args[2:]}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "wrote image %s to %s\n", args[0], node.ImagesFile(c))
			return nil
		},
	}
}

// defaultSize is the size of a volume that is made without --size.
const defaultSize = "100Gi"

type volumeOptions struct {
	name, path, size, claim string
}

func volumeCommand(t *target) *cobra.Command {
	o := &volumeOptions{}
	cmd := &cobra.Command{
		Use:   "volume NAME PATH",
		Short: "Make a PersistentVolume over a local directory",
		Long: `Make a PersistentVolume over a local directory, so that pods reach the directory through a
claim and need no hostPath. There are two ways to bind a claim to the volume: the claim names
the volume (volumeName: NAME, storageClassName: ""), or --claim names the claim. A missing
directory is made. The directory stays when the volume is deleted. If the volume exists and
its claim was deleted, this command makes the volume available again.`,
		Example: `  localcluster volume eraser-images ~/data/erasers --claim demo/images
  localcluster volume store ./store --size 50Gi`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := t.openRunning()
			if err != nil {
				return err
			}
			o.name, o.path = args[0], args[1]
			if err := applyVolume(cmd.Context(), c, o); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "PersistentVolume %s is over %s\n", o.name, o.path)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.size, "size", defaultSize, "size that a claim may ask for; nothing enforces it")
	cmd.Flags().StringVar(&o.claim, "claim", "",
		"NAMESPACE/NAME of the only claim that may use the volume (default: any claim)")
	return cmd
}

// volumeFlags parses the values NAME=PATH of --volume and checks them as `localcluster
// volume` does.
func volumeFlags(flags []string) ([]*volumeOptions, error) {
	var all []*volumeOptions
	for _, flag := range flags {
		name, path, ok := strings.Cut(flag, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("--volume %q: write NAME=PATH", flag)
		}
		o := &volumeOptions{name: name, path: path, size: defaultSize}
		if _, err := o.volume(); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// applyVolume makes the volume. If the volume exists and no claim is bound to it,
// applyVolume replaces the claim that the volume refers to, so that it can be bound again.
func applyVolume(ctx context.Context, c *cluster.Cluster, o *volumeOptions) error {
	want, err := o.volume()
	if err != nil {
		return err
	}
	dir := want.Spec.Local.Path
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("volume %s: %w", o.name, err)
	}
	client, _, err := cluster.Client(c.Kubeconfig())
	if err != nil {
		return err
	}
	volumes := client.CoreV1().PersistentVolumes()
	_, err = volumes.Create(ctx, want, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("volume %s: %w", o.name, err)
		}
		return nil
	}
	have, err := volumes.Get(ctx, o.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("volume %s: %w", o.name, err)
	}
	if have.Spec.Local == nil || have.Spec.Local.Path != dir {
		return fmt.Errorf("volume %s exists and is over another directory; delete it first: "+
			"localcluster kubectl delete pv %s", o.name, o.name)
	}
	if have.Status.Phase == corev1.VolumeBound {
		return nil
	}
	have.Spec.ClaimRef = want.Spec.ClaimRef
	if _, err := volumes.Update(ctx, have, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("free volume %s: %w", o.name, err)
	}
	return nil
}

// volume returns the PersistentVolume that the options describe.
func (o *volumeOptions) volume() (*corev1.PersistentVolume, error) {
	dir, err := filepath.Abs(o.path)
	if err != nil {
		return nil, err
	}
	if err := cluster.CheckPath(dir); err != nil {
		return nil, fmt.Errorf("volume %s: %w", o.name, err)
	}
	size, err := resource.ParseQuantity(o.size)
	if err != nil {
		return nil, fmt.Errorf("--size %q is no quantity: write, for example, 10Gi", o.size)
	}
	var claim *corev1.ObjectReference
	if o.claim != "" {
		namespace, name, ok := strings.Cut(o.claim, "/")
		if !ok || namespace == "" || name == "" {
			return nil, fmt.Errorf("--claim %q: write NAMESPACE/NAME", o.claim)
		}
		claim = &corev1.ObjectReference{
			APIVersion: "v1",
			Kind:       "PersistentVolumeClaim",
			Namespace:  namespace,
			Name:       name,
		}
	}
	onlyHere := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
		Key:      corev1.LabelHostname,
		Operator: corev1.NodeSelectorOpIn,
		Values:   []string{cluster.NodeName},
	}}}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: size},
			AccessModes: []corev1.PersistentVolumeAccessMode{
				corev1.ReadWriteOnce,
				corev1.ReadOnlyMany,
				corev1.ReadWriteMany,
			},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      claim,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: dir}},
			NodeAffinity: &corev1.VolumeNodeAffinity{
				Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{onlyHere}},
			},
		},
	}, nil
}
