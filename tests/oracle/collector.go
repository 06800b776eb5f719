package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A span as a test reads it.
type span struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_id"`
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Began      uint64         `json:"began_ns"`
	Ended      uint64         `json:"ended_ns"`
	Flags      uint32         `json:"flags"`
	Status     string         `json:"status"`
	Attributes map[string]any `json:"attributes"`
	Resource   map[string]any `json:"resource"`
	Scope      string         `json:"scope"`
	Key        string         `json:"key"`
}

func collect() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	http.HandleFunc("POST /v1/traces", take)
	return http.Serve(listener, nil)
}

// TracesData has the wire format of ExportTraceServiceRequest, without the RPC stack that comes with that.
func take(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var traces trace.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &traces)
	}
	if err != nil || request.Header.Get("Content-Type") != "application/x-protobuf" || unknown(&traces) {
		http.Error(answer, "no OTLP", http.StatusBadRequest)
		return
	}
	for _, of := range traces.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, one := range scope.Spans {
				shown := shown(one)
				shown.Resource = attributes(of.Resource.Attributes)
				shown.Scope, shown.Key = scope.Scope.Name, request.Header.Get("X-Api-Key")
				_ = json.NewEncoder(os.Stdout).Encode(shown)
			}
		}
	}
	answer.Header().Set("Content-Type", "application/x-protobuf")
}

func unknown(traces *trace.TracesData) bool {
	for _, of := range traces.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, one := range scope.Spans {
				if len(one.ProtoReflect().GetUnknown()) > 0 {
					return true
				}
			}
		}
	}
	return len(traces.ProtoReflect().GetUnknown()) > 0
}

func shown(one *trace.Span) span {
	return span{
		TraceID:    hex.EncodeToString(one.TraceId),
		SpanID:     hex.EncodeToString(one.SpanId),
		ParentID:   hex.EncodeToString(one.ParentSpanId),
		Name:       one.Name,
		Kind:       one.Kind.String(),
		Began:      one.StartTimeUnixNano,
		Ended:      one.EndTimeUnixNano,
		Flags:      one.Flags,
		Status:     one.GetStatus().GetCode().String(),
		Attributes: attributes(one.Attributes),
	}
}

func attributes(pairs []*common.KeyValue) map[string]any {
	found := map[string]any{}
	for _, pair := range pairs {
		switch value := pair.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			found[pair.Key] = value.StringValue
		case *common.AnyValue_IntValue:
			found[pair.Key] = value.IntValue
		default:
			found[pair.Key] = nil
		}
	}
	return found
}
