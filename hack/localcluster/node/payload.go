package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// payload holds the files of a configMap, secret, downwardAPI or projected volume, by path.
type payload map[string]volumeutil.FileProjection

// tokenIssuer returns a service account token for one file of a volume.
type tokenIssuer func(volume string, from *corev1.ServiceAccountTokenProjection) (string, error)

// buildPayload returns a volume's files. ok is false if the volume's files do not come from
// the API.
func buildPayload(
	pod *corev1.Pod, v *corev1.Volume, allocatable corev1.ResourceList, read source, token tokenIssuer,
) (files payload, ok bool, err error) {
	files = payload{}
	b := payloadBuilder{files: files, pod: pod, volume: v.Name, allocatable: allocatable, read: read, token: token}
	switch {
	case v.ConfigMap != nil:
		s := v.ConfigMap
		err = b.keys(kindConfigMap, s.Name, s.Items, s.Optional, modeOf(s.DefaultMode))
	case v.Secret != nil:
		s := v.Secret
		err = b.keys(kindSecret, s.SecretName, s.Items, s.Optional, modeOf(s.DefaultMode))
	case v.DownwardAPI != nil:
		err = b.downward(v.DownwardAPI.Items, modeOf(v.DownwardAPI.DefaultMode))
	case v.Projected != nil:
		mode := modeOf(v.Projected.DefaultMode)
		for _, s := range v.Projected.Sources {
			if err = b.project(s, mode); err != nil {
				break
			}
		}
	default:
		return nil, false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("volume %s: %w", v.Name, err)
	}
	return files, true, nil
}

type payloadBuilder struct {
	files       payload
	pod         *corev1.Pod
	volume      string
	allocatable corev1.ResourceList
	read        source
	token       tokenIssuer
}

func (b payloadBuilder) project(s corev1.VolumeProjection, mode int32) error {
	switch {
	case s.ConfigMap != nil:
		return b.keys(kindConfigMap, s.ConfigMap.Name, s.ConfigMap.Items, s.ConfigMap.Optional, mode)
	case s.Secret != nil:
		return b.keys(kindSecret, s.Secret.Name, s.Secret.Items, s.Secret.Optional, mode)
	case s.DownwardAPI != nil:
		return b.downward(s.DownwardAPI.Items, mode)
	case s.ServiceAccountToken != nil:
		t, err := b.token(b.volume, s.ServiceAccountToken)
		if err != nil {
			return err
		}
		// Mode 0600 is what the kubelet gives to the tokens of a pod without fsGroup.
		b.files[s.ServiceAccountToken.Path] = volumeutil.FileProjection{Data: []byte(t), Mode: 0o600}
	}
	return nil
}

// keys adds the keys of a ConfigMap or Secret: the items, or all keys if there are no items.
func (b payloadBuilder) keys(kind, name string, items []corev1.KeyToPath, optional *bool, mode int32) error {
	data, found, err := b.read(kind, name)
	if err != nil {
		return err
	}
	lenient := optional != nil && *optional
	if !found && !lenient {
		return fmt.Errorf("%s %q not found", kind, name)
	}
	if len(items) == 0 {
		for k, v := range data {
			b.files[k] = volumeutil.FileProjection{Data: v, Mode: mode}
		}
		return nil
	}
	for _, item := range items {
		v, has := data[item.Key]
		if !has {
			if lenient {
				continue
			}
			return fmt.Errorf("%s %q has no key %q", kind, name, item.Key)
		}
		b.files[item.Path] = volumeutil.FileProjection{Data: v, Mode: modeOr(item.Mode, mode)}
	}
	return nil
}

func (b payloadBuilder) downward(items []corev1.DownwardAPIVolumeFile, mode int32) error {
	for _, item := range items {
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = fieldValue(b.pod, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			value, err = resource.ExtractResourceValueByContainerNameAndNodeAllocatable(
				item.ResourceFieldRef, b.pod, item.ResourceFieldRef.ContainerName, b.allocatable)
		}
		if err != nil {
			return fmt.Errorf("downwardAPI file %s: %w", item.Path, err)
		}
		b.files[item.Path] = volumeutil.FileProjection{Data: []byte(value), Mode: modeOr(item.Mode, mode)}
	}
	return nil
}

func modeOf(defaultMode *int32) int32 { return modeOr(defaultMode, 0o644) }

func modeOr(mode *int32, otherwise int32) int32 {
	if mode == nil {
		return otherwise
	}
	return *mode
}
