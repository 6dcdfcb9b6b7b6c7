"""Tables 2 to 10 of Bendidi et al. 2024, as printed.

Transcribed from arXiv 2410.13956 v2. Table 2 (column `best`) has shares where the
appendix (columns of post-processings) has percent; recalls, Spearman correlations and Structural
Integrity are as they are in both. What was not printed is empty.
"""

VALUES = """\
dataset,metric,model,raw,centered,center_scaled,tvn,best
replogle,ilisi,Geneformer,22.273,22.069,21.361,6.845,
replogle,ilisi,UCE,17.495,21.185,21.187,11.409,
replogle,ilisi,cellPLM,17.952,19.091,11.879,14.883,
replogle,ilisi,scGPT,15.935,20.561,21.407,8.216,
replogle,ilisi,scGPT finetuned,21.707,20.756,20.665,10.038,
replogle,ilisi,Transfer scVI,14.887,12.436,20.041,16.401,
replogle,ilisi,scVI,14.896,14.842,19.869,15.088,
replogle,ilisi,PCA,15.016,16.789,20.909,16.637,
replogle,ilisi_ratio,Rand. Labels,,,,,1.0
replogle,ilisi_ratio,Geneformer,,,,,0.979
replogle,ilisi_ratio,UCE,,,,,0.931
replogle,ilisi_ratio,cellPLM,,,,,0.839
replogle,ilisi_ratio,scGPT,,,,,0.941
replogle,ilisi_ratio,scGPT finetuned,,,,,0.954
replogle,ilisi_ratio,Transfer scVI,,,,,0.881
replogle,ilisi_ratio,scVI,,,,,0.874
replogle,ilisi_ratio,PCA,,,,,0.919
replogle,linear_top1,Rand. Labels,,,,,0.001
replogle,linear_top1,Geneformer,0.155,0.112,0.021,0.015,0.002
replogle,linear_top1,UCE,0.224,0.262,0.205,0.065,0.003
replogle,linear_top1,cellPLM,0.234,0.247,0.274,0.313,0.003
replogle,linear_top1,scGPT,0.231,0.269,0.438,0.191,0.004
replogle,linear_top1,scGPT finetuned,0.155,0.118,0.037,0.018,0.002
replogle,linear_top1,Transfer scVI,0.389,0.384,0.371,0.3,0.004
replogle,linear_top1,scVI,1.566,1.607,1.589,1.43,0.016
replogle,linear_top1,PCA,3.221,3.094,3.269,2.922,0.033
replogle,linear_top5,Rand. Labels,,,,,0.005
replogle,linear_top5,Geneformer,0.536,0.49,0.101,0.083,0.005
replogle,linear_top5,UCE,0.725,0.772,0.572,0.206,0.008
replogle,linear_top5,cellPLM,0.77,0.803,0.837,0.873,0.009
replogle,linear_top5,scGPT,0.75,0.809,1.113,0.506,0.011
replogle,linear_top5,scGPT finetuned,0.533,0.48,0.167,0.104,0.005
replogle,linear_top5,Transfer scVI,0.973,0.93,0.895,0.759,0.01
replogle,linear_top5,scVI,3.128,3.218,3.19,2.896,0.032
replogle,linear_top5,PCA,5.668,5.48,5.765,5.219,0.058
replogle,share_consistent,Rand. Labels,,,,,0.051
replogle,share_consistent,Geneformer,5.3,5.2,6.0,6.3,0.063
replogle,share_consistent,UCE,4.6,9.5,9.8,10.5,0.105
replogle,share_consistent,cellPLM,5.4,6.0,5.8,11.1,0.111
replogle,share_consistent,scGPT,4.1,10.2,9.7,11.5,0.115
replogle,share_consistent,scGPT finetuned,6.0,6.5,6.2,9.2,0.092
replogle,share_consistent,Transfer scVI,4.8,10.7,10.6,11.8,0.118
replogle,share_consistent,scVI,10.2,9.5,9.4,9.6,0.102
replogle,share_consistent,PCA,9.2,9.4,11.9,11.6,0.119
replogle,knn_top1,Rand. Labels,,,,,0.053
replogle,knn_top1,Geneformer,5.28,5.28,5.28,5.281,0.053
replogle,knn_top1,UCE,5.288,5.288,5.288,5.297,0.053
replogle,knn_top1,cellPLM,5.291,5.292,5.291,5.301,0.053
replogle,knn_top1,scGPT,5.295,5.299,5.299,5.314,0.053
replogle,knn_top1,scGPT finetuned,5.28,5.28,5.282,5.28,0.054
replogle,knn_top1,Transfer scVI,5.282,5.285,5.285,5.282,0.053
replogle,knn_top1,scVI,5.356,5.366,5.367,5.309,0.054
replogle,knn_top1,PCA,5.382,5.375,5.348,5.361,0.054
replogle,knn_top5,Rand. Labels,,,,,0.054
replogle,knn_top5,Geneformer,5.384,5.381,5.384,5.365,0.054
replogle,knn_top5,UCE,5.485,5.495,5.499,5.397,0.055
replogle,knn_top5,cellPLM,5.544,5.568,5.537,5.483,0.056
replogle,knn_top5,scGPT,5.53,5.58,5.577,5.478,0.056
replogle,knn_top5,scGPT finetuned,5.381,5.375,5.374,5.372,0.054
replogle,knn_top5,Transfer scVI,5.45,5.477,5.47,5.399,0.055
replogle,knn_top5,scVI,6.028,6.126,6.133,5.622,0.061
replogle,knn_top5,PCA,6.111,6.136,5.865,5.96,0.061
replogle,CORUM,Rand. Labels,0.107,,,,0.107
replogle,CORUM,Geneformer,0.149,0.096,0.099,0.099,0.149
replogle,CORUM,UCE,0.132,0.344,0.366,0.285,0.366
replogle,CORUM,cellPLM,0.128,0.271,0.25,0.284,0.284
replogle,CORUM,scGPT,0.121,0.371,0.389,0.383,0.389
replogle,CORUM,scGPT finetuned,0.143,0.119,0.126,0.166,0.166
replogle,CORUM,Transfer scVI,0.138,0.443,0.443,0.42,0.443
replogle,CORUM,scVI,0.224,0.501,0.503,0.502,0.503
replogle,CORUM,PCA,0.202,0.257,0.45,0.425,0.45
replogle,HuMAP,Rand. Labels,0.102,,,,0.102
replogle,HuMAP,Geneformer,0.135,0.097,0.103,0.099,0.135
replogle,HuMAP,UCE,0.102,0.231,0.253,0.249,0.253
replogle,HuMAP,cellPLM,0.23,0.272,0.263,0.259,0.272
replogle,HuMAP,scGPT,0.107,0.263,0.285,0.323,0.323
replogle,HuMAP,scGPT finetuned,0.135,0.111,0.112,0.149,0.149
replogle,HuMAP,Transfer scVI,0.163,0.342,0.344,0.346,0.346
replogle,HuMAP,scVI,0.211,0.377,0.377,0.388,0.388
replogle,HuMAP,PCA,0.2,0.249,0.359,0.356,0.359
replogle,Reactome,Rand. Labels,0.09,,,,0.09
replogle,Reactome,Geneformer,0.106,0.109,0.117,0.101,0.117
replogle,Reactome,UCE,0.097,0.162,0.17,0.141,0.17
replogle,Reactome,cellPLM,0.07,0.113,0.107,0.144,0.144
replogle,Reactome,scGPT,0.093,0.155,0.161,0.166,0.166
replogle,Reactome,scGPT finetuned,0.098,0.106,0.11,0.116,0.116
replogle,Reactome,Transfer scVI,0.087,0.171,0.172,0.174,0.174
replogle,Reactome,scVI,0.103,0.224,0.225,0.219,0.225
replogle,Reactome,PCA,0.125,0.136,0.213,0.202,0.213
replogle,SIGNOR,Rand. Labels,0.097,,,,0.097
replogle,SIGNOR,Geneformer,0.108,0.106,0.108,0.1,0.108
replogle,SIGNOR,UCE,0.096,0.126,0.128,0.115,0.128
replogle,SIGNOR,cellPLM,0.078,0.106,0.102,0.121,0.121
replogle,SIGNOR,scGPT,0.103,0.123,0.123,0.116,0.123
replogle,SIGNOR,scGPT finetuned,0.094,0.11,0.111,0.11,0.111
replogle,SIGNOR,Transfer scVI,0.082,0.123,0.122,0.115,0.123
replogle,SIGNOR,scVI,0.084,0.147,0.146,0.137,0.147
replogle,SIGNOR,PCA,0.137,0.15,0.135,0.124,0.15
replogle,StringDB,Rand. Labels,0.102,,,,0.102
replogle,StringDB,Geneformer,0.148,0.103,0.108,0.102,0.148
replogle,StringDB,UCE,0.111,0.306,0.329,0.309,0.329
replogle,StringDB,cellPLM,0.156,0.299,0.284,0.305,0.305
replogle,StringDB,scGPT,0.108,0.353,0.373,0.402,0.402
replogle,StringDB,scGPT finetuned,0.139,0.126,0.131,0.17,0.17
replogle,StringDB,Transfer scVI,0.144,0.42,0.423,0.428,0.428
replogle,StringDB,scVI,0.243,0.492,0.494,0.497,0.497
replogle,StringDB,PCA,0.247,0.307,0.475,0.461,0.475
replogle,spearman,Rand. Labels,0.001,,,,0.0
replogle,spearman,Geneformer,0.149,0.15,0.152,-0.0003,0.001
replogle,spearman,UCE,0.17,0.172,0.151,0.142,0.172
replogle,spearman,cellPLM,0.169,0.164,0.16,0.167,0.169
replogle,spearman,scGPT,0.18,0.18,0.168,0.159,0.18
replogle,spearman,scGPT finetuned,0.128,0.131,0.098,0.084,0.131
replogle,spearman,Transfer scVI,0.218,0.205,0.202,0.203,0.218
replogle,spearman,scVI,0.265,0.25,0.247,0.254,0.265
replogle,spearman,PCA,0.215,0.207,0.187,0.196,0.215
replogle,structural_integrity,Rand. Labels,0.526,,,,0.525
replogle,structural_integrity,Geneformer,0.528,0.526,0.523,0.52,0.528
replogle,structural_integrity,UCE,0.538,0.537,0.534,0.533,0.538
replogle,structural_integrity,cellPLM,0.538,0.537,0.535,0.537,0.538
replogle,structural_integrity,scGPT,0.54,0.54,0.539,0.536,0.54
replogle,structural_integrity,scGPT finetuned,0.532,0.532,0.529,0.525,0.532
replogle,structural_integrity,Transfer scVI,0.549,0.548,0.547,0.545,0.548
replogle,structural_integrity,scVI,0.551,0.549,0.549,0.547,0.551
replogle,structural_integrity,PCA,0.551,0.548,0.548,0.546,0.55
l1000,ilisi,Geneformer,25.01,26.51,26.151,6.094,
l1000,ilisi,UCE,26.82,26.744,26.303,25.916,
l1000,ilisi,cellPLM,3.861,2.512,2.802,1.795,
l1000,ilisi,scGPT,11.346,25.297,25.327,5.206,
l1000,ilisi,scGPT finetuned,22.416,26.187,25.771,6.155,
l1000,ilisi,Transfer scVI,2.122,14.63,17.934,2.87,
l1000,ilisi,scVI,2.249,15.65,15.171,2.503,
l1000,ilisi,PCA,1.519,13.76,15.276,2.295,
l1000,ilisi_ratio,Rand. Labels,,,,,1.0
l1000,ilisi_ratio,Geneformer,,,,,0.691
l1000,ilisi_ratio,UCE,,,,,0.699
l1000,ilisi_ratio,cellPLM,,,,,0.1
l1000,ilisi_ratio,scGPT,,,,,0.66
l1000,ilisi_ratio,scGPT finetuned,,,,,0.682
l1000,ilisi_ratio,Transfer scVI,,,,,0.467
l1000,ilisi_ratio,scVI,,,,,0.408
l1000,ilisi_ratio,PCA,,,,,0.398
l1000,linear_top1,Rand. Labels,,,,,0.007
l1000,linear_top1,Geneformer,0.833,0.138,0.071,0.091,0.008
l1000,linear_top1,UCE,0.833,0.073,0.042,0.075,0.008
l1000,linear_top1,cellPLM,0.83,0.717,0.469,0.482,0.008
l1000,linear_top1,scGPT,0.834,0.188,0.159,0.121,0.008
l1000,linear_top1,scGPT finetuned,0.833,0.158,0.126,0.115,0.008
l1000,linear_top1,Transfer scVI,1.019,0.683,0.662,0.506,0.01
l1000,linear_top1,scVI,1.837,2.105,2.121,1.565,0.021
l1000,linear_top1,PCA,2.067,2.628,2.691,1.745,0.027
l1000,linear_top5,Rand. Labels,,,,,0.017
l1000,linear_top5,Geneformer,2.197,0.536,0.279,0.432,0.022
l1000,linear_top5,UCE,2.183,0.353,0.187,0.293,0.022
l1000,linear_top5,cellPLM,2.187,1.002,0.942,1.883,0.022
l1000,linear_top5,scGPT,2.19,0.636,0.528,0.484,0.022
l1000,linear_top5,scGPT finetuned,2.196,0.568,0.393,0.501,0.022
l1000,linear_top5,Transfer scVI,2.58,1.819,1.693,1.521,0.026
l1000,linear_top5,scVI,4.205,4.336,4.37,3.608,0.044
l1000,linear_top5,PCA,4.92,5.328,5.225,3.914,0.053
l1000,share_consistent,Rand. Labels,4.74,,,,0.047
l1000,share_consistent,Geneformer,4.6,4.8,5.9,5.7,0.059
l1000,share_consistent,UCE,4.6,5.6,5.8,5.5,0.058
l1000,share_consistent,cellPLM,5.8,5.8,6.8,2.9,0.068
l1000,share_consistent,scGPT,3.2,4.7,5.1,5.6,0.056
l1000,share_consistent,scGPT finetuned,4.5,5.8,5.4,,0.058
l1000,share_consistent,Transfer scVI,4.1,6.0,6.1,6.4,0.064
l1000,share_consistent,scVI,3.4,8.2,7.8,7.3,0.082
l1000,share_consistent,PCA,6.1,4.9,7.3,6.8,0.073
l1000,knn_top1,Rand. Labels,25.605,,,,0.256
l1000,knn_top1,Geneformer,25.605,25.605,25.605,25.606,0.256
l1000,knn_top1,UCE,25.605,25.605,25.605,25.613,0.256
l1000,knn_top1,cellPLM,25.609,25.605,25.6,25.778,0.258
l1000,knn_top1,scGPT,25.605,25.605,25.605,25.605,0.256
l1000,knn_top1,scGPT finetuned,25.605,25.605,25.605,,0.256
l1000,knn_top1,Transfer scVI,25.605,25.605,25.605,25.605,0.256
l1000,knn_top1,scVI,25.605,25.605,25.605,25.605,0.256
l1000,knn_top1,PCA,25.605,25.605,25.605,25.605,0.256
l1000,knn_top5,Rand. Labels,38.344,,,,0.261
l1000,knn_top5,Geneformer,26.181,26.183,26.18,25.978,0.262
l1000,knn_top5,UCE,26.82,26.744,26.303,25.916,0.262
l1000,knn_top5,cellPLM,26.887,26.233,26.244,27.032,0.27
l1000,knn_top5,scGPT,26.345,26.15,26.209,25.986,0.263
l1000,knn_top5,scGPT finetuned,26.184,26.143,26.155,,0.262
l1000,knn_top5,Transfer scVI,26.855,26.38,26.35,26.296,0.269
l1000,knn_top5,scVI,26.78,26.581,26.651,26.489,0.268
l1000,knn_top5,PCA,27.102,26.752,26.733,26.51,0.271
l1000,CORUM,Rand. Labels,0.111,,,,0.111
l1000,CORUM,Geneformer,0.141,0.108,0.108,0.095,0.141
l1000,CORUM,UCE,0.163,0.095,0.098,0.092,0.163
l1000,CORUM,cellPLM,0.105,0.101,0.111,0.074,0.111
l1000,CORUM,scGPT,0.09,0.156,0.16,0.102,0.16
l1000,CORUM,scGPT finetuned,0.14,0.097,0.103,0.117,0.117
l1000,CORUM,Transfer scVI,0.096,0.203,0.201,0.112,0.203
l1000,CORUM,scVI,0.132,0.19,0.182,0.109,0.19
l1000,CORUM,PCA,0.112,0.154,0.174,0.123,0.174
l1000,HuMAP,Rand. Labels,0.113,,,,0.113
l1000,HuMAP,Geneformer,0.124,0.106,0.109,0.114,0.124
l1000,HuMAP,UCE,0.121,0.106,0.11,0.099,0.121
l1000,HuMAP,cellPLM,0.104,0.091,0.111,0.116,0.116
l1000,HuMAP,scGPT,0.099,0.147,0.146,0.105,0.147
l1000,HuMAP,scGPT finetuned,0.1,0.107,0.107,0.1,0.107
l1000,HuMAP,Transfer scVI,0.114,0.173,0.168,0.126,0.173
l1000,HuMAP,scVI,0.123,0.17,0.158,0.13,0.17
l1000,HuMAP,PCA,0.124,0.132,0.153,0.134,0.153
l1000,Reactome,Rand. Labels,0.109,,,,0.109
l1000,Reactome,Geneformer,0.128,0.11,0.113,0.111,0.128
l1000,Reactome,UCE,0.141,0.101,0.104,0.099,0.141
l1000,Reactome,cellPLM,0.104,0.102,0.107,0.123,0.124
l1000,Reactome,scGPT,0.113,0.114,0.111,0.124,0.124
l1000,Reactome,scGPT finetuned,0.087,0.088,0.089,0.112,0.119
l1000,Reactome,Transfer scVI,0.13,0.133,0.13,0.141,0.141
l1000,Reactome,scVI,0.149,0.127,0.122,0.137,0.149
l1000,Reactome,PCA,0.133,0.109,0.115,0.144,0.144
l1000,SIGNOR,Rand. Labels,0.12,,,,0.12
l1000,SIGNOR,Geneformer,0.145,0.091,0.095,0.096,0.145
l1000,SIGNOR,UCE,0.204,0.105,0.107,0.098,0.204
l1000,SIGNOR,cellPLM,0.114,0.101,0.105,0.08,0.114
l1000,SIGNOR,scGPT,0.085,0.126,0.128,0.095,0.128
l1000,SIGNOR,scGPT finetuned,0.082,0.098,0.094,0.097,0.104
l1000,SIGNOR,Transfer scVI,0.082,0.161,0.164,0.101,0.164
l1000,SIGNOR,scVI,0.119,0.129,0.134,0.084,0.134
l1000,SIGNOR,PCA,0.104,0.139,0.12,0.099,0.139
l1000,StringDB,Rand. Labels,0.109,,,,0.109
l1000,StringDB,Geneformer,0.15,0.117,0.115,0.122,0.15
l1000,StringDB,UCE,0.146,0.103,0.103,0.097,0.146
l1000,StringDB,cellPLM,0.106,0.107,0.106,0.147,0.147
l1000,StringDB,scGPT,0.13,0.137,0.136,0.135,0.137
l1000,StringDB,scGPT finetuned,0.147,0.106,0.108,0.127,0.127
l1000,StringDB,Transfer scVI,0.147,0.165,0.163,0.161,0.165
l1000,StringDB,scVI,0.159,0.161,0.151,0.159,0.162
l1000,StringDB,PCA,0.157,0.134,0.143,0.161,0.161
l1000,spearman,Rand. Labels,0.001,,,,0.002
l1000,spearman,Geneformer,0.734,0.382,0.402,0.748,0.748
l1000,spearman,UCE,0.236,0.217,0.202,0.25,0.253
l1000,spearman,cellPLM,0.812,0.44,0.462,0.592,0.811
l1000,spearman,scGPT,0.833,0.69,0.715,0.766,0.833
l1000,spearman,scGPT finetuned,0.636,0.461,0.7,0.758,0.757
l1000,spearman,Transfer scVI,0.903,0.764,0.669,0.821,0.903
l1000,spearman,scVI,0.928,0.778,0.744,0.881,0.928
l1000,spearman,PCA,0.882,0.73,0.717,0.882,0.882
l1000,structural_integrity,Rand. Labels,0.939,,,,0.938
l1000,structural_integrity,Geneformer,0.955,0.943,0.938,0.954,0.955
l1000,structural_integrity,UCE,0.942,0.942,0.934,0.928,0.942
l1000,structural_integrity,cellPLM,0.96,0.943,0.944,0.938,0.96
l1000,structural_integrity,scGPT,0.963,0.954,0.953,0.957,0.962
l1000,structural_integrity,scGPT finetuned,0.951,0.946,0.951,0.956,0.955
l1000,structural_integrity,Transfer scVI,0.97,0.955,0.948,0.962,0.97
l1000,structural_integrity,scVI,0.977,0.958,0.955,0.971,0.977
l1000,structural_integrity,PCA,0.974,0.954,0.953,0.971,0.974
"""
