// Package export turns a checkpoint's weights into a SavedModel that TensorFlow Serving can serve, and asks such a
// model for predictions. The model needs no other file: its graph holds the normalisation before the network, and
// calibration and threshold after it.
//
// In the walk it is the last stop: the publishing Job writes a model with it, loads the written model, and replays the
// checkpoint's golden predictions before the version becomes visible.
package export
