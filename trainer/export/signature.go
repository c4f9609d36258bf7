package export

import (
	"fmt"

	tf "github.com/wamuir/graft/tensorflow"

	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typepb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	pb "github.com/wamuir/graft/tensorflow/core/protobuf/for_core_protos_go_proto"
)

// The names of the model's parts that a server and its clients use.
const (
	tag       = "serve"
	signature = "serving_default"

	Image       = "image"       // [N,S,S,C] uint8, in the order of the data set's channels
	Logit       = "logit"       // [N] float: calibrated, (score - shift) / temperature
	Probability = "probability" // [N] float: of the positive class, sigmoid(logit)
	Decision    = "decision"    // [N] int64: 1, the positive class, where logit >= threshold
)

// signature describes the inputs and outputs of the served graph.
func (g *graph) signature(m Model) *pb.SignatureDef {
	side := int64(m.Input.Size)
	return &pb.SignatureDef{
		MethodName: "tensorflow/serving/predict", //nolint:staticcheck // TensorFlow Serving before 2.4 checks the name
		Inputs: map[string]*pb.TensorInfo{
			Image: describe(g.image, typepb.DataType_DT_UINT8, -1, side, side, int64(len(m.Input.Channels))),
		},
		Outputs: map[string]*pb.TensorInfo{
			Logit:       describe(g.logit, typepb.DataType_DT_FLOAT, -1),
			Probability: describe(g.probability, typepb.DataType_DT_FLOAT, -1),
			Decision:    describe(g.decision, typepb.DataType_DT_INT64, -1),
		},
	}
}

func describe(t tf.Output, kind typepb.DataType, dims ...int64) *pb.TensorInfo {
	shape := &shapepb.TensorShapeProto{}
	for _, d := range dims {
		shape.Dim = append(shape.Dim, &shapepb.TensorShapeProto_Dim{Size: d})
	}
	return &pb.TensorInfo{Encoding: &pb.TensorInfo_Name{Name: tensorName(t)}, Dtype: kind, TensorShape: shape}
}

// tensorName returns TensorFlow's name of a tensor, operation:index.
func tensorName(t tf.Output) string { return fmt.Sprintf("%s:%d", t.Op.Name(), t.Index) }
