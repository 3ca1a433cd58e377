FROM python:3.11-slim
WORKDIR /locus
COPY pyproject.toml README.md LICENSE ./
COPY locus locus
COPY configs configs
COPY results results
RUN pip install --no-cache-dir '.[train,dicom,xrv]'
WORKDIR /data
USER 1000
ENTRYPOINT ["locus"]
