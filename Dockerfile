FROM python:3.11-slim
WORKDIR /locus
COPY . .
RUN pip install --no-cache-dir '.[train,dicom,xrv]'
WORKDIR /data
USER 1000
ENTRYPOINT ["locus"]
