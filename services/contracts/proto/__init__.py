"""The gRPC contracts; the modules beside this one are generated from the .proto files."""
